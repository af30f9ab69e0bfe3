//! Rules about where objects are: in one place, and in one that every replica sees.

use super::Config;

/// The settings of the places of objects that are set, one for each place.
fn given(config: &Config) -> Vec<&'static str> {
    let storage = &config.storage;
    let places = [
        ("storage.dir", storage.dir.is_some()),
        ("storage.s3.bucket", storage.s3.bucket.is_some()),
        ("storage.gcs.bucket", storage.gcs.bucket.is_some()),
        ("storage.azure.container", storage.azure.container.is_some()),
    ];
    places.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
}

/// The rules that do not hold: the setting, and what is wrong with it.
pub(super) fn broken(config: &Config) -> Vec<(&'static str, String)> {
    let mut broken = Vec::new();
    let places = given(config);
    if let [first, others @ ..] = places.as_slice() {
        for other in others {
            let message = format!("is set, and so is {first}; objects are in one place, so leave one of them unset");
            broken.push((*other, message));
        }
    }
    if !broken.is_empty() {
        return broken;
    }
    let is_folder = config.storage.dir.is_some();
    let is_shared = config.storage.shared;
    let is_replicated = config.mongodb.uri.is_some();
    if let Some(bucket) = places.first().filter(|_| is_shared && !is_folder) {
        let message = format!("is about a folder, and objects are in {bucket}; leave STORAGE_SHARED unset");
        broken.push(("storage.shared", message));
    } else if is_replicated && is_shared && !is_folder {
        let message = "needs storage.dir with mongodb.uri: the folder that all replicas see; set STORAGE_DIR, or \
                       leave STORAGE_SHARED unset to keep objects in MongoDB";
        broken.push(("storage.shared", message.to_owned()));
    } else if is_replicated && is_folder && !is_shared {
        let message = "is a folder, and with mongodb.uri other replicas have to see it; set storage.shared: true \
                       (STORAGE_SHARED) where they do, or leave STORAGE_DIR unset to keep objects in MongoDB";
        broken.push(("storage.dir", message.to_owned()));
    }
    broken
}
