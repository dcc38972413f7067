//! The file as written to the settings of each component, or all mistakes at once with file, line, key, found and allowed.
