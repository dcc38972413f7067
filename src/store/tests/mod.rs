//! The operations, from one source on every engine.

mod answers;
mod backup;
mod backup_folders;
mod bed;
mod canaries;
mod challenge;
mod check;
mod conversation;
pub(in crate::store) mod copied;
mod copies;
mod dispatch;
mod folder;
mod fresh;
mod index;
mod intake;
mod jobs;
mod keys;
mod mail_code;
mod prepared;
mod proof;
mod records;
mod retention;
mod rot;
mod secrecy;
mod sessions;
mod strict;
mod upgrade;
