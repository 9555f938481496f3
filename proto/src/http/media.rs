//! Media types by the names of files.
//!
//! A short list of its own: what browsers show and scripts ask about. Every other file is a sequence of
//! bytes. The types are those of IANA's registry.

/// Endings of names, in lower case, and their types.
const TYPES: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("log", "text/plain; charset=utf-8"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mkv", "video/matroska"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("parquet", "application/vnd.apache.parquet"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tgz", "application/gzip"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("tsv", "text/tab-separated-values; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/vnd.wave"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xhtml", "application/xhtml+xml"),
    ("xml", "application/xml"),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// Returns the media type of a file of this name.
#[must_use]
pub fn media_type(name: &str) -> &'static str {
    // A revision of a name: `notes.txt@3`.
    let named = name
        .rsplit_once('@')
        .filter(|(_, revision)| revision.parse::<u64>().is_ok());
    let name = named.map_or(name, |(name, _)| name);
    let file = name.rsplit('/').next().unwrap_or_default();
    let ending = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    let ending = ending.map(|(_, ending)| ending.to_ascii_lowercase());
    let found = ending.and_then(|ending| TYPES.iter().find(|(known, _)| *known == ending));
    found.map_or("application/octet-stream", |(_, media)| media)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_of_the_last_part_decides() {
        for (name, media) in [
            ("a.txt", "text/plain; charset=utf-8"),
            ("photos/2024/A.JPG", "image/jpeg"),
            ("model.tar.gz", "application/gzip"),
            ("site.d/readme", "application/octet-stream"),
            (".json", "application/octet-stream"),
            ("model.gguf", "application/octet-stream"),
            ("notes.txt@3", "text/plain; charset=utf-8"),
            ("a.", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name), media, "{name}");
        }
        assert!(TYPES.is_sorted(), "in order, to be found by people");
    }
}
