"""Signs or verifies a mail from standard input with a key made here; no DNS is asked."""

import base64
import os
import subprocess
import sys
import tempfile

import dkim

KEY = os.path.join(tempfile.gettempdir(), f"zegel-test-dkim-{os.getuid()}.pem")


def key():
    if not os.path.exists(KEY):
        new = f"{KEY}.{os.getpid()}"
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", new, "2048"], check=True, capture_output=True)
        os.rename(new, KEY)
    with open(KEY, "rb") as file:
        return file.read()


def public(name, timeout=5):
    der = subprocess.run(["openssl", "rsa", "-in", KEY, "-pubout", "-outform", "DER"], check=True, capture_output=True)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der.stdout)


mail = sys.stdin.buffer.read()
if sys.argv[1] == "sign":
    signature = dkim.sign(mail, b"test", b"voorbeeld.example", key(), canonicalize=(b"simple", b"simple"))
    sys.stdout.buffer.write(signature + mail)
else:
    sys.exit(0 if dkim.verify(mail, dnsfunc=public) else 1)
