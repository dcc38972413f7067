//! The base subject of a mail (RFC 5256 §2.1): what stays the same while people reply and forward.

/// Words before a colon by which programs mark a reply or a forward, in the languages that we meet.
const PREFIXES: [&str; 17] = [
    "re", "fw", "fwd", "antw", "antwoord", "betr", "doorst", "aw", "wg", "sv", "vs", "vb", "tr", "rv", "rif", "rép",
    "ref",
];

/// The subject without marks of replies and forwards and without brackets of others (`[EXTERN]`) before it, in lower case, its blanks made one.
///
/// Two mails with different base subjects are no mails of one conversation, whatever they refer to.
#[must_use]
pub fn base(subject: &str) -> String {
    let words: Vec<&str> = subject.split_whitespace().collect();
    let subject = words.join(" ").to_lowercase();
    let mut rest = subject.as_str();
    while let Some(after) = marked(rest).or_else(|| bracketed(rest)) {
        rest = after.trim_start();
    }
    let mut rest = rest.trim_end();
    while let Some(before) = rest.strip_suffix("(fwd)") {
        rest = before.trim_end();
    }
    rest.to_owned()
}

/// What follows a mark: a word, perhaps a counter in brackets (`re[2]`), and a colon.
fn marked(subject: &str) -> Option<&str> {
    let (mark, after) = subject.split_once(':')?;
    let (word, counter) = mark.split_once(['[', '(']).unwrap_or((mark, "]"));
    let is_number = counter.trim_end().trim_end_matches([']', ')']).chars().all(|c| c.is_ascii_digit());
    (is_number && PREFIXES.contains(&word.trim())).then_some(after)
}

/// What follows a bracket, if anything does.
fn bracketed(subject: &str) -> Option<&str> {
    let (inside, after) = subject.strip_prefix('[')?.split_once(']')?;
    (!inside.contains('[') && !after.trim().is_empty()).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replies_and_forwards_leave() {
        for (subject, expected) in [
            ("Uitslag", "uitslag"),
            ("Re: Uitslag", "uitslag"),
            ("RE:  Antw: Uitslag  van\tmaandag", "uitslag van maandag"),
            ("Re[2]: AW: Fwd : Uitslag (fwd)", "uitslag"),
            ("[EXTERN] Re: [lijst] Uitslag", "uitslag"),
            ("Doorst: RÉP: Uitslag", "uitslag"),
            ("Re: afspraak: maandag", "afspraak: maandag"),
            ("Uitslag: re", "uitslag: re"),
            ("Rekening: mei", "rekening: mei"),
            ("Re(x): Uitslag", "re(x): uitslag"),
            ("[alleen dit]", "[alleen dit]"),
            ("[half", "[half"),
            ("Re:", ""),
            ("", ""),
        ] {
            assert_eq!(base(subject), expected, "{subject}");
        }
    }
}
