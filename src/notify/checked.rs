//! Whether the files of an answer may leave: only those that were looked at and found clean do.
//!
//! They are looked at before each attempt, while they are opened chunk by chunk, so a file that waited long is judged by what is known now.

use crate::malware::{Scanner, Unchecked, Verdict};

use super::Outcome;
use super::answered::{AnswerMail, Reading, Unreadable};

impl AnswerMail {
    /// Looks at every file.
    ///
    /// # Errors
    /// What becomes of the answer instead: it waits while there is no verdict, and never leaves with malware in it.
    pub async fn check(&self, scanner: &Scanner) -> Result<(), Outcome> {
        let job = self.envelope.job;
        for (number, (piece, _)) in self.files.as_slice().iter().enumerate() {
            let mut reading = Reading::of(&self.store, &self.key, piece).await?;
            match look(scanner, &mut reading).await {
                Ok(Verdict::Clean) => {}
                Ok(Verdict::Found(name)) => {
                    tracing::warn!(%job, name, "malware in a file of an answer; it is not delivered");
                    return Err(Outcome::Infected(u32::try_from(number).unwrap_or(u32::MAX)));
                }
                Err(NoLook::Unchecked(cause)) => {
                    tracing::error!(%job, %cause, "the files of an answer cannot be checked for malware; it waits");
                    return Err(unchecked(&cause));
                }
                Err(NoLook::Unreadable(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// When the answer's turn is again.
fn unchecked(cause: &Unchecked) -> Outcome {
    let said = format!("not checked for malware: {cause}");
    match cause {
        Unchecked::Unreachable(_) | Unchecked::Slow | Unchecked::Closed => Outcome::Soon(said),
        // Only somebody who changes its settings makes these go away; until then each attempt costs it the file.
        Unchecked::TooLarge | Unchecked::NoVerdict => Outcome::Later(said),
    }
}

/// Why a file was not looked at.
enum NoLook {
    Unchecked(Unchecked),
    Unreadable(Unreadable),
}

async fn look(scanner: &Scanner, reading: &mut Reading) -> Result<Verdict, NoLook> {
    let mut scan = scanner.begin().await.map_err(NoLook::Unchecked)?;
    while let Some(plain) = reading.chunk().await.map_err(NoLook::Unreadable)? {
        scan.write(&plain).await.map_err(NoLook::Unchecked)?;
    }
    scan.end().await.map_err(NoLook::Unchecked)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A daemon that restarts is asked again soon; one that has to be told otherwise is not sent the file each minute.
    #[test]
    fn who_is_back_in_a_moment_is_asked_again_in_a_moment() {
        let gone = Unchecked::Unreachable(std::io::ErrorKind::NotFound.into());
        for (cause, soon) in [
            (gone, true),
            (Unchecked::Slow, true),
            (Unchecked::Closed, true),
            (Unchecked::TooLarge, false),
            (Unchecked::NoVerdict, false),
        ] {
            assert_eq!(matches!(unchecked(&cause), Outcome::Soon(_)), soon, "{cause}");
        }
    }
}
