//! The two Fluent files, loaded and compared; looking a text up never gives an empty or half-filled one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

use super::Lang;

const NL: &str = include_str!("nl.ftl");
const EN: &str = include_str!("en.ftl");

/// A text cannot be had; what is named here is the text's id and its variables, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The file is not Fluent.
    #[error("the texts in {0} do not parse: {1}")]
    Syntax(&'static str, String),
    /// Both files must hold the same messages with the same variables.
    #[error("the text {id} is not the same in both languages: {difference}")]
    Differs {
        /// Which message.
        id: String,
        /// How it differs.
        difference: String,
    },
    /// No such message.
    #[error("there is no text {id} in {lang}")]
    Missing {
        /// Which message.
        id: String,
        /// In which language.
        lang: &'static str,
    },
    /// A variable that the message uses was not given.
    #[error("the text {id} in {lang} lacks a variable: {cause}")]
    Variable {
        /// Which message.
        id: String,
        /// In which language.
        lang: &'static str,
        /// What Fluent says.
        cause: String,
    },
}

/// All texts in all languages. Loaded once, shared by everything that writes to people.
pub struct Texts {
    nl: FluentBundle<FluentResource>,
    en: FluentBundle<FluentResource>,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Texts")
    }
}

impl Texts {
    /// Loads the texts that are part of this program.
    ///
    /// # Errors
    /// When a file does not parse, or one holds a message that the other lacks or that has other variables there.
    pub fn load() -> Result<Self, TextError> {
        Self::from_sources(NL, EN)
    }

    fn from_sources(nl: &str, en: &str) -> Result<Self, TextError> {
        let (nl, en) = (parse("nl.ftl", nl)?, parse("en.ftl", en)?);
        compare(&variables(&nl), &variables(&en))?;
        Ok(Self { nl: bundle(Lang::Nl, nl)?, en: bundle(Lang::En, en)? })
    }

    /// The texts of one language.
    #[must_use]
    pub const fn in_language(&self, lang: Lang) -> Words<'_> {
        let bundle = match lang {
            Lang::Nl => &self.nl,
            Lang::En => &self.en,
        };
        Words { bundle, lang }
    }
}

/// The texts of one language: what templates hold as `t`.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    bundle: &'a FluentBundle<FluentResource>,
    lang: Lang,
}

impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({})", self.lang.tag())
    }
}

impl Words<'_> {
    /// Which language.
    #[must_use]
    pub const fn lang(&self) -> Lang {
        self.lang
    }

    /// A text without variables.
    ///
    /// # Errors
    /// When there is no such text, or it has variables.
    pub fn get(&self, id: &str) -> Result<String, TextError> {
        self.with::<&str>(id, &[])
    }

    /// A text with its variables: strings, or numbers that choose a plural form.
    ///
    /// # Errors
    /// When there is no such text, or a variable of it is not given.
    pub fn with<'v, V: Into<FluentValue<'v>> + Copy>(&self, id: &str, args: &[(&str, V)]) -> Result<String, TextError> {
        let missing = || TextError::Missing { id: id.to_owned(), lang: self.lang.tag() };
        let pattern = self.bundle.get_message(id).and_then(|message| message.value()).ok_or_else(missing)?;
        let mut values = FluentArgs::with_capacity(args.len());
        for (name, value) in args {
            values.set((*name).to_owned(), *value);
        }
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(&values), &mut errors).into_owned();
        let Some(error) = errors.first() else { return Ok(text) };
        Err(TextError::Variable { id: id.to_owned(), lang: self.lang.tag(), cause: error.to_string() })
    }
}

fn parse(name: &'static str, source: &str) -> Result<FluentResource, TextError> {
    FluentResource::try_new(source.to_owned()).map_err(|(_, errors)| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        TextError::Syntax(name, first)
    })
}

fn bundle(lang: Lang, resource: FluentResource) -> Result<FluentBundle<FluentResource>, TextError> {
    let tag = lang.tag().parse().map_err(|_| TextError::Syntax(lang.tag(), "not a language tag".to_owned()))?;
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    // The marks would stand in mail subjects and in names that people copy.
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).map_err(|errors| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        TextError::Syntax(lang.tag(), first)
    })?;
    Ok(bundle)
}

type Variables = BTreeMap<String, BTreeSet<String>>;

/// The variables of each message.
fn variables(resource: &FluentResource) -> Variables {
    let messages = resource.entries().filter_map(|entry| match entry {
        Entry::Message(message) => Some(message),
        _ => None,
    });
    messages
        .map(|message| {
            let mut names = BTreeSet::new();
            if let Some(pattern) = &message.value {
                in_pattern(pattern, &mut names);
            }
            (message.id.name.to_owned(), names)
        })
        .collect()
}

fn in_pattern(pattern: &Pattern<&str>, names: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            in_expression(expression, names);
        }
    }
}

fn in_expression(expression: &Expression<&str>, names: &mut BTreeSet<String>) {
    match expression {
        Expression::Select { selector, variants } => {
            in_inline(selector, names);
            for variant in variants {
                in_pattern(&variant.value, names);
            }
        }
        Expression::Inline(inline) => in_inline(inline, names),
    }
}

fn in_inline(inline: &InlineExpression<&str>, names: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => {
            names.insert(id.name.to_owned());
        }
        InlineExpression::Placeable { expression } => in_expression(expression, names),
        InlineExpression::FunctionReference { arguments, .. } => {
            arguments.positional.iter().for_each(|argument| in_inline(argument, names));
        }
        _ => {}
    }
}

fn compare(nl: &Variables, en: &Variables) -> Result<(), TextError> {
    for id in nl.keys().chain(en.keys()) {
        let difference = match (nl.get(id), en.get(id)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => format!("nl has the variables {a:?}, en has {b:?}"),
            (Some(_), None) => "en lacks it".to_owned(),
            (None, _) => "nl lacks it".to_owned(),
        };
        return Err(TextError::Differs { id: id.clone(), difference });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_this_program_load() {
        Texts::load().unwrap();
    }

    #[test]
    fn a_difference_between_the_languages_is_an_error() {
        let cases = [
            ("a = x\nb = y\n", "a = x\n", "en lacks it"),
            ("a = x\n", "a = x\nb = y\n", "nl lacks it"),
            ("a = { $who }\n", "a = { $whom }\n", "variables"),
            ("a = { $n ->\n  [one] { $x }\n *[other] y\n }\n", "a = { $n }\n", "variables"),
        ];
        for (nl, en, expected) in cases {
            let error = Texts::from_sources(nl, en).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_file_that_does_not_parse_is_an_error() {
        assert!(matches!(Texts::from_sources("a = { $", "a = x\n"), Err(TextError::Syntax("nl.ftl", _))));
        assert!(matches!(Texts::from_sources("a = x\na = y\n", "a = x\n"), Err(TextError::Syntax("nl", _))));
    }

    #[test]
    fn nothing_is_ever_empty_or_half_filled() {
        let texts = Texts::from_sources("a = Van { $who }\n", "a = From { $who }\n").unwrap();
        let words = texts.in_language(Lang::Nl);
        assert_eq!(words.with("a", &[("who", "Anna")]).unwrap(), "Van Anna");
        assert!(matches!(words.get("a"), Err(TextError::Variable { .. })));
        assert!(matches!(words.get("b"), Err(TextError::Missing { .. })));
    }

    #[test]
    fn numbers_choose_the_plural() {
        let source = "left = { $n ->\n    [one] één keer\n   *[other] { $n } keer\n}\n";
        let texts = Texts::from_sources(source, source).unwrap();
        let words = texts.in_language(Lang::Nl);
        assert_eq!(words.with("left", &[("n", 1_u32)]).unwrap(), "één keer");
        assert_eq!(words.with("left", &[("n", 3_u32)]).unwrap(), "3 keer");
    }
}
