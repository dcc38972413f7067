//! The sample mails: a confidential one with an attachment, and an ordinary one.

use std::fmt::Write as _;

use mail_builder::MessageBuilder;

use crate::mail::Address;

/// A mail as a mail server hands it over.
#[derive(Debug)]
pub struct Sample {
    /// The envelope sender.
    pub from: Address,
    /// The envelope recipient.
    pub to: Address,
    /// Header and body.
    pub raw: Vec<u8>,
}

/// What stands in the confidential mail and must not be found anywhere else.
pub const SECRET: &str = "De uitslag is goed: er is niets afwijkends gevonden.";

/// The subject without its tag, which no notice may show.
pub const SUBJECT: &str = "Uitslag van uw onderzoek";

/// The attachment's name.
pub const FILE: &str = "uitslag.pdf";

/// Somebody at the organisation.
pub const SENDER: &str = "anna.jansen@voorbeeld.example";

/// Somebody elsewhere.
pub const RECIPIENT: &str = "jan.devries@example.nl";

/// Somebody else, who opens mail with a code by SMS.
pub const BY_SMS: &str = "fatima.elidrissi@example.nl";

/// Their telephone.
pub const NUMBER: &str = "+31612345678";

/// What stands in the mail to them.
pub const APPOINTMENT: &str = "Uw afspraak is verzet naar dinsdag 1 december om 9:30 uur.";

#[expect(clippy::expect_used, reason = "a constant of this file")]
fn address(text: &str) -> Address {
    text.parse().expect("a valid address")
}

fn sample(builder: MessageBuilder<'_>) -> Sample {
    let builder = builder.from(("Anna Jansen", SENDER)).to(("Jan de Vries", RECIPIENT));
    // Writing to memory cannot fail; an empty mail would be refused and the demo would say so.
    Sample { from: address(SENDER), to: address(RECIPIENT), raw: builder.write_to_vec().unwrap_or_default() }
}

/// The confidential mail.
pub fn confidential() -> Sample {
    let text = format!(
        "Geachte heer De Vries,\r\n\r\n{SECRET} In de bijlage vindt u het verslag.\r\n\
         Heeft u vragen? Bel ons dan op werkdagen tussen 10:00 en 16:00 uur.\r\n\r\n\
         Met vriendelijke groet,\r\nAnna Jansen\r\n"
    );
    let builder = MessageBuilder::new().subject(format!("[veilig] {SUBJECT}")).text_body(text).attachment(
        "application/pdf",
        FILE,
        pdf(),
    );
    sample(builder)
}

/// A confidential mail that opens with a code by SMS: the number stands in the subject.
pub fn by_sms() -> Sample {
    let text = format!("Beste Fatima,\r\n\r\n{APPOINTMENT}\r\n\r\nMet vriendelijke groet,\r\nAnna Jansen\r\n");
    let builder = MessageBuilder::new().from(("Anna Jansen", SENDER)).to(("Fatima El Idrissi", BY_SMS));
    let builder = builder.subject(format!("[veilig sms:{NUMBER}] Uw afspraak")).text_body(text);
    Sample { from: address(SENDER), to: address(BY_SMS), raw: builder.write_to_vec().unwrap_or_default() }
}

/// The ordinary mail.
pub fn ordinary() -> Sample {
    let text = "Beste Jan,\r\n\r\nDe open dag is op zaterdag 28 november, van 10:00 tot 14:00 uur.\r\n.\r\n\r\nGroet, Anna\r\n";
    sample(MessageBuilder::new().subject("Open dag").text_body(text))
}

/// A PDF of one page, written by hand so that the demo needs no PDF library.
pub fn pdf() -> Vec<u8> {
    let content = "BT /F1 24 Tf 72 740 Td (Uitslag van uw onderzoek) Tj 0 -40 Td /F1 14 Tf (Er is niets afwijkends gevonden.) Tj ET";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut out = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(out.len());
        let _ = write!(out, "{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let start = out.len();
    let _ = write!(out, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        let _ = writeln!(out, "{place:010} 00000 n ");
    }
    let _ = write!(out, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1);
    out.into_bytes()
}
