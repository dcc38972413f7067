"""Scans a TLS server with sslyze and grades what it finds as internet.nl counts (NCSC-NL, ICT-beveiligingsrichtlijnen voor TLS).

scan.py PORT NAME starttls|tls|https    prints each fault on a line; exit 1 when there is one.
"""
import socket
import ssl
import sys

from sslyze import (
    ProtocolWithOpportunisticTlsEnum,
    ScanCommand,
    ScanCommandAttemptStatusEnum,
    Scanner,
    ServerNetworkConfiguration,
    ServerNetworkLocation,
    ServerScanRequest,
)

OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
# "Goed": ECDHE with an AEAD. sslyze's names are those of the registry.
GOOD_SUITES = {
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}
GOOD_CURVES = {"X25519", "X448", "secp256r1", "prime256v1", "secp384r1", "secp521r1"}


def scan(port, name, kind):
    network = ServerNetworkConfiguration(
        tls_server_name_indication=name,
        tls_opportunistic_encryption=ProtocolWithOpportunisticTlsEnum.SMTP if kind == "starttls" else None,
        network_timeout=20,
    )
    location = ServerNetworkLocation(hostname=name, port=port, ip_address="127.0.0.1")
    commands = {
        ScanCommand.SSL_2_0_CIPHER_SUITES,
        ScanCommand.SSL_3_0_CIPHER_SUITES,
        ScanCommand.TLS_1_0_CIPHER_SUITES,
        ScanCommand.TLS_1_1_CIPHER_SUITES,
        ScanCommand.TLS_1_2_CIPHER_SUITES,
        ScanCommand.TLS_1_3_CIPHER_SUITES,
        ScanCommand.TLS_COMPRESSION,
        ScanCommand.TLS_1_3_EARLY_DATA,
        ScanCommand.TLS_EXTENDED_MASTER_SECRET,
        ScanCommand.SESSION_RENEGOTIATION,
        ScanCommand.ELLIPTIC_CURVES,
        ScanCommand.HEARTBLEED,
        ScanCommand.OPENSSL_CCS_INJECTION,
        ScanCommand.ROBOT,
    }
    scanner = Scanner(per_server_concurrent_connections_limit=3)
    scanner.queue_scans([ServerScanRequest(location, network_configuration=network, scan_commands=commands)])
    (found,) = scanner.get_results()
    if found.scan_result is None:
        yield f"not scanned: {found.connectivity_error_trace}"
        return
    results = {}
    for command in commands:
        attempt = getattr(found.scan_result, command.value)
        if attempt.status != ScanCommandAttemptStatusEnum.COMPLETED:
            yield f"{command.value} was not scanned: {attempt.error_reason} {attempt.error_trace}"
            return
        results[command.value] = attempt.result
    yield from grade(results)


def grade(results):
    suites = {version: {accepted.cipher_suite.name for accepted in results[f"{version}_cipher_suites"].accepted_cipher_suites}
              for version in (*OLD, "tls_1_2", "tls_1_3")}
    for version in OLD:
        if suites[version]:
            yield f"speaks {version}: {sorted(suites[version])}"
    for version in ("tls_1_2", "tls_1_3"):
        if not suites[version]:
            yield f"does not speak {version}"
        for suite in sorted(suites[version] - GOOD_SUITES):
            yield f"{version} with {suite}, which is not good"
    if results["tls_compression"].supports_compression:
        yield "compresses"
    if results["tls_1_3_early_data"].supports_early_data:
        yield "takes early data"
    if not results["tls_extended_master_secret"].supports_ems_extension:
        yield "no extended master secret"
    renegotiation = results["session_renegotiation"]
    if renegotiation.is_vulnerable_to_client_renegotiation_dos:
        yield "lets the client renegotiate"
    if not renegotiation.supports_secure_renegotiation:
        yield "does not say that it renegotiates securely"
    curves = {curve.name for curve in results["elliptic_curves"].supported_curves or []}
    if not curves:
        yield "no curves were found"
    for curve in sorted(curves - GOOD_CURVES):
        yield f"curve {curve}, which is not good"
    if results["heartbleed"].is_vulnerable_to_heartbleed:
        yield "Heartbleed"
    if results["openssl_ccs_injection"].is_vulnerable_to_ccs_injection:
        yield "CCS injection"
    if not results["robot"].robot_result.value.startswith("NOT_VULNERABLE"):
        yield f"ROBOT: {results['robot'].robot_result.value}"


def tickets(port, name, kind):
    """Mail servers send no TLS 1.3 tickets: Exchange Online hangs up on them. sslyze looks at TLS 1.2 only."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with socket.create_connection(("127.0.0.1", port), timeout=20) as tcp:
        if kind == "starttls":
            talk(tcp, None)
            talk(tcp, b"EHLO scanner.example\r\n")
            talk(tcp, b"STARTTLS\r\n")
        with context.wrap_socket(tcp, server_hostname=name) as tls:
            if kind == "tls":
                talk(tls, None)
            talk(tls, b"EHLO scanner.example\r\n")
            talk(tls, b"NOOP\r\n")
            if tls.session is not None and tls.session.has_ticket:
                yield "sends TLS 1.3 tickets"


def talk(connection, line):
    if line:
        connection.sendall(line)
    reply = b""
    while not any(part[3:4] == b" " for part in reply.split(b"\r\n")[:-1]):
        more = connection.recv(4096)
        if not more:
            raise EOFError(reply)
        reply += more


if __name__ == "__main__":
    port, name, kind = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    faults = list(scan(port, name, kind))
    if kind != "https":
        faults += tickets(port, name, kind)
    print("\n".join(faults))
    sys.exit(1 if faults else 0)
