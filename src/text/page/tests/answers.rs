//! Answers on the page of their message, and the form for one, in every state.

use super::super::*;
use super::in_both;
use crate::text::Texts;

fn answer_file() -> AnswerFile {
    let [id, name, kind, size] = ["mfrggzdf", "<brief>.pdf", "PDF", "12 kB"].map(ToOwned::to_owned);
    AnswerFile { id, name, kind, size }
}

pub(super) fn answer(state: AnswerState) -> AnswerShown {
    AnswerShown {
        id: "nnwg23tp".to_owned(),
        sent: "zaterdag 21 november 2026, 10:30".to_owned(),
        state,
        text: autolink("Dank u <wel>"),
        files: vec![answer_file()],
    }
}

pub(super) fn form(troubles: Vec<AnswerTrouble>) -> AnswerForm {
    AnswerForm {
        action: "/bericht/antwoord".to_owned(),
        token: "paginateken".to_owned(),
        id: "nnwg23tp".to_owned(),
        kept: true,
        text: "</textarea><b>".to_owned(),
        files: vec![answer_file()],
        troubles,
        most: AnswerMost {
            text: 100_000,
            file: 25_000_000,
            total: 50_000_000,
            file_size: "25 MB".to_owned(),
            total_size: "50 MB".to_owned(),
            files: 20,
        },
    }
}

#[test]
fn what_is_wrong_with_an_answer_stands_beside_it() {
    let texts = Texts::load().unwrap();
    let file = || "<brief>.pdf".to_owned();
    for (trouble, id) in [
        (AnswerTrouble::Empty, "answer-empty"),
        (AnswerTrouble::TextTooLong, "answer-text-long"),
        (AnswerTrouble::FileTooLarge(file()), "answer-file-large"),
        (AnswerTrouble::TotalTooLarge(file()), "answer-total-large"),
        (AnswerTrouble::TooMany(file()), "answer-files-many"),
        (AnswerTrouble::Stale, "answer-stale"),
        (AnswerTrouble::Merged, "answer-merged"),
        (AnswerTrouble::TooManyToday, "answer-today"),
        (AnswerTrouble::NoRoom(file()), "answer-no-room"),
    ] {
        let pages = in_both(|page| {
            MessagePage { form: form(vec![trouble.clone()]), ..MessagePage::sample(page) }.render().unwrap()
        });
        for (lang, html) in Lang::ALL.into_iter().zip(pages) {
            let values = [("file", "&#60;brief&#62;.pdf"), ("size", "25 MB")];
            let said = texts.in_language(lang).with(id, &values).unwrap_or_default();
            let begin: String = said.chars().take(20).collect();
            assert!(html.contains("role=\"alert\"") && html.contains(&begin), "{trouble:?}: {html}");
            assert!(html.contains("&#60;/textarea&#62;") && !html.contains("<brief>"), "{html}");
        }
    }
    for state in [
        AnswerState::Sent,
        AnswerState::Delivered,
        AnswerState::Elsewhere,
        AnswerState::Lost,
        AnswerState::Checking,
        AnswerState::Infected("uitslag.pdf".to_owned()),
    ] {
        let pages = in_both(|page| {
            MessagePage { answers: vec![answer(state.clone())], just_sent: true, ..MessagePage::sample(page) }
                .render()
                .unwrap()
        });
        assert!(pages[0].contains("Verstuurd.") && pages[0].contains("Dank u &#60;wel&#62;"), "{}", pages[0]);
    }
    for html in in_both(|page| LostTextPage { page, text: "</textarea><b>" }.render().unwrap()) {
        assert!(html.contains("&#60;/textarea&#62;") && html.contains("readonly"), "{html}");
    }
}
