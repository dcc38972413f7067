//! Holds the source to the import table of `src/lib.rs`: a file that imports what its module's row does not name fails here.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 400;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Module to the modules it may import, from the table.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(source().join("lib.rs")).unwrap();
    let (_, rest) = text.split_once("<!-- layers:begin -->").unwrap();
    let (table, _) = rest.split_once("<!-- layers:end -->").unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_start_matches("//!").trim().split('|').map(str::trim).collect();
        let [_, module, _, imports, _] = cells.as_slice() else { return None };
        let imports = imports.split(',').map(str::trim).filter(|m| !m.is_empty()).map(String::from).collect();
        Some(((*module).to_owned(), imports))
    };
    table.lines().filter_map(row).filter(|(module, _)| module != "module" && !module.starts_with('-')).collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(source()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file before its tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Modules named as `crate::NAME` or in `use crate::{NAME, …}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = code.get(at + "crate::".len()..).unwrap_or_default();
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut fresh = true;
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(std::mem::take(&mut word));
                        fresh = true;
                    }
                    c if depth == 0 && fresh && (c.is_alphanumeric() || c == '_') => word.push(c),
                    ':' => fresh = false,
                    _ => {}
                }
            }
            found.insert(word);
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found.remove("");
    found
}

#[test]
fn every_import_is_in_the_table() {
    let table = table();
    let mut paths = Vec::new();
    files(&source(), &mut paths);
    let mut wrong = Vec::new();
    for path in paths {
        let module = module_of(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let allowed =
            table.get(&module).unwrap_or_else(|| panic!("src/{module} has no row in the table of src/lib.rs"));
        for import in imports(&code(&path)) {
            if import != module && !allowed.contains(&import) {
                wrong.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the table in src/lib.rs:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    let table = table();
    let mut done: BTreeSet<String> = BTreeSet::new();
    while done.len() < table.len() {
        let next = table.iter().find(|(module, imports)| !done.contains(*module) && imports.is_subset(&done));
        let Some((module, _)) = next else { panic!("a cycle among {:?}", table.keys().filter(|m| !done.contains(*m))) };
        done.insert(module.clone());
    }
}

#[test]
fn files_have_one_room() {
    let mut paths = Vec::new();
    files(&source(), &mut paths);
    let long: Vec<String> = paths
        .iter()
        .map(|path| (path, code_lines(path)))
        .filter(|(path, lines)| *lines > MAX_LINES && !is_tests(path))
        .map(|(path, lines)| format!("{} has {lines} lines before its tests", path.display()))
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines:\n{}", long.join("\n"));
}

/// A file that holds nothing but tests.
fn is_tests(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

fn code_lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().split("#[cfg(test)]").next().unwrap_or_default().lines().count()
}

#[test]
fn every_file_opens_with_its_promise() {
    let mut paths = Vec::new();
    files(&source(), &mut paths);
    let bare: Vec<_> = paths.iter().filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!")).collect();
    assert!(bare.is_empty(), "without a header that says what the file is for: {bare:?}");
}

#[test]
fn the_import_reader_sees_both_forms() {
    let code = "use crate::mail::Reply;\nuse crate::{base::Clock, store::{Store, records}, seal};\n";
    let expected: BTreeSet<String> = ["mail", "base", "store", "seal"].into_iter().map(String::from).collect();
    assert_eq!(imports(code), expected);
}
