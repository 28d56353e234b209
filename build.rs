//! Hashes the source code, so that a run knows by which program an earlier one was made: the version alone
//! stays the same while somebody works on it.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "so does a build script speak to cargo")]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = BTreeMap::new();
    collect(&root.join("src"), &mut files)?;
    files.insert(root.join("Cargo.lock"), std::fs::read(root.join("Cargo.lock"))?);
    let mut hash = DefaultHasher::new();
    for (path, text) in &files {
        (path.strip_prefix(&root).unwrap_or(path), text).hash(&mut hash);
    }
    println!("cargo:rerun-if-changed=src\ncargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rustc-env=AFTERSALE_SOURCE={:016x}", hash.finish());
    Ok(())
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.insert(path.clone(), std::fs::read(path)?);
        }
    }
    Ok(())
}
