//! [`KeyRing`]: the data keys of all companies, at hand; it seals and opens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::doc::Doc;
use model::ids::{CompanyId, Id};
use model::seal::{Binding, Seal, SealError, Sealed};
use zeroize::Zeroizing;

use crate::keys::{KeyBytes, KeyError, MasterKey, WrappedKey};
use crate::random;

/// The form of sealed bytes: this byte, the key's id (12), the nonce (24), the sealed text with
/// its tag (16).
const FORM: u8 = 1;

/// The data keys of all companies, and the master key that wraps new ones.
pub struct KeyRing {
    master: MasterKey,
    /// The one before, until every data key is wrapped by the new one.
    previous: Option<MasterKey>,
    keys: RwLock<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<Id, (CompanyId, KeyBytes)>,
    /// The key that seals what is new.
    newest: HashMap<CompanyId, Id>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("master", &self.master).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// A ring without data keys.
    pub fn new(master: MasterKey) -> Self {
        Self { master, previous: None, keys: RwLock::default() }
    }

    /// The same, which also takes data keys that the master key before had wrapped.
    #[must_use]
    pub fn after(self, previous: Option<MasterKey>) -> Self {
        Self { previous, ..self }
    }

    /// The id of the master key that wraps what is new.
    pub fn master_id(&self) -> &str {
        self.master.id()
    }

    /// A stored data key, wrapped anew; none where the master key wraps it already.
    ///
    /// # Errors
    /// Where none of the master keys has wrapped it, or it was altered.
    pub fn rewrap(&self, company: CompanyId, wrapped: &WrappedKey) -> Result<Option<WrappedKey>, KeyError> {
        let key = self.unwrap(company, wrapped)?;
        if wrapped.master == self.master.id() {
            return Ok(None);
        }
        self.master.wrap(company, &key).map(Some)
    }

    fn unwrap(&self, company: CompanyId, wrapped: &WrappedKey) -> Result<KeyBytes, KeyError> {
        let mut masters = [Some(&self.master), self.previous.as_ref()].into_iter().flatten();
        let master = masters.find(|master| master.id() == wrapped.master);
        master.ok_or_else(|| KeyError::WrongMaster(wrapped.master.clone()))?.unwrap(company, wrapped)
    }

    /// Adds a stored data key. Of several for one company, the one with the latest id seals.
    ///
    /// # Errors
    /// Where another master key wrapped it, or it was altered.
    pub fn add(&self, company: CompanyId, id: Id, wrapped: &WrappedKey) -> Result<(), KeyError> {
        self.insert(company, id, self.unwrap(company, wrapped)?);
        Ok(())
    }

    /// Makes a data key for a company; it seals from now on. The caller stores what is returned.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn make(&self, company: CompanyId, id: Id) -> Result<WrappedKey, KeyError> {
        let key = Zeroizing::new(random::<32>()?);
        let wrapped = self.master.wrap(company, &key)?;
        self.insert(company, id, key);
        Ok(wrapped)
    }

    /// Forgets the data keys of a company: from now on, nothing of it is sealed or opened here.
    pub fn forget(&self, company: CompanyId) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.by_id.retain(|_, (of, _)| *of != company);
        keys.newest.remove(&company);
    }

    fn insert(&self, company: CompanyId, id: Id, key: KeyBytes) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.by_id.insert(id, (company, key));
        let newest = keys.newest.entry(company).or_insert(id);
        *newest = id.max(*newest);
    }
}

fn cipher(key: &KeyBytes) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&**key).into())
}

/// What sealed bytes are bound to. The lengths keep two different bindings from reading the same.
fn context(binding: Binding<'_>) -> Vec<u8> {
    let mut context = binding.company.0.as_bytes().to_vec();
    context.extend_from_slice(binding.id.as_bytes());
    context.extend_from_slice(binding.field.as_bytes());
    context
}

impl Seal for KeyRing {
    fn seal(&self, binding: Binding<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let missing = || SealError::UnknownKey(format!("of company {}", binding.company));
        let id = keys.newest.get(&binding.company).ok_or_else(missing)?;
        let (_, key) = keys.by_id.get(id).ok_or_else(missing)?;
        let nonce = random::<24>().map_err(|error| SealError::UnknownKey(error.to_string()))?;
        let payload = Payload { msg: plain, aad: &context(binding) };
        let text = cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Altered)?;
        let mut bytes = Vec::with_capacity(1 + 12 + 24 + text.len());
        bytes.push(FORM);
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&text);
        Ok(Sealed(bytes.into()))
    }

    fn open(&self, binding: Binding<'_>, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let rest = sealed.0.strip_prefix(&[FORM]).ok_or(SealError::Altered)?;
        let (id, rest) = rest.split_first_chunk::<12>().ok_or(SealError::Altered)?;
        let (nonce, text) = rest.split_first_chunk::<24>().ok_or(SealError::Altered)?;
        let id = Id::from_bytes(*id);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let (company, key) = keys.by_id.get(&id).ok_or_else(|| SealError::UnknownKey(id.to_string()))?;
        if *company != binding.company {
            return Err(SealError::Altered);
        }
        let payload = Payload { msg: text, aad: &context(binding) };
        cipher(key).decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Altered)
    }

    fn knows(&self, company: CompanyId) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).newest.contains_key(&company)
    }

    fn learn(&self, key: &Doc) -> Result<(), SealError> {
        let unusable = |error: &dyn fmt::Display| SealError::UnusableKey(error.to_string());
        let id = key.key.id.parse().map_err(|_| unusable(&KeyError::Altered))?;
        let wrapped = key.read().map_err(|error| unusable(&error))?;
        self.add(key.key.company, id, &wrapped).map_err(|error| unusable(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPANY: CompanyId = CompanyId(Id::from_bytes([1; 12]));
    const OTHER: CompanyId = CompanyId(Id::from_bytes([2; 12]));

    fn ring() -> KeyRing {
        let ring = KeyRing::new(MasterKey::from_hex(&MasterKey::fresh_hex().expect("random")).expect("a key"));
        ring.make(COMPANY, Id::from_parts(1, 1)).expect("makes");
        ring.make(OTHER, Id::from_parts(1, 2)).expect("makes");
        ring
    }

    fn binding<'a>(company: CompanyId, field: &'a str) -> Binding<'a> {
        Binding { company, field, id: Id::from_parts(9, 9) }
    }

    #[test]
    fn what_is_sealed_opens_where_it_belongs_and_nowhere_else() {
        let ring = ring();
        let sealed = ring.seal(binding(COMPANY, "kv"), b"secret").expect("seals");
        assert_eq!(ring.open(binding(COMPANY, "kv"), &sealed).expect("opens"), b"secret");
        assert_eq!(ring.open(binding(COMPANY, "play"), &sealed), Err(SealError::Altered));
        assert_eq!(ring.open(binding(OTHER, "kv"), &sealed), Err(SealError::Altered));
        let elsewhere = Binding { id: Id::from_parts(9, 8), ..binding(COMPANY, "kv") };
        assert_eq!(ring.open(elsewhere, &sealed), Err(SealError::Altered));
        assert!(!sealed.0.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn what_is_forgotten_opens_nothing() {
        let ring = ring();
        let sealed = ring.seal(binding(COMPANY, "kv"), b"secret").expect("seals");
        ring.forget(COMPANY);
        assert!(matches!(ring.open(binding(COMPANY, "kv"), &sealed), Err(SealError::UnknownKey(_))));
        assert!(ring.seal(binding(COMPANY, "kv"), b"secret").is_err() && !ring.knows(COMPANY) && ring.knows(OTHER));
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let ring = ring();
        let sealed = ring.seal(binding(COMPANY, "kv"), b"secret").expect("seals");
        for at in 0..sealed.0.len() {
            let mut bytes = sealed.0.to_vec();
            bytes[at] ^= 1;
            assert!(ring.open(binding(COMPANY, "kv"), &Sealed(bytes.into())).is_err(), "byte {at}");
        }
        assert!(ring.open(binding(COMPANY, "kv"), &Sealed(sealed.0[..20].into())).is_err());
    }

    #[test]
    fn the_latest_key_seals_and_older_ones_open() {
        let master = MasterKey::from_hex(&MasterKey::fresh_hex().expect("random")).expect("a key");
        let ring = KeyRing::new(master.clone());
        let first = ring.make(COMPANY, Id::from_parts(1, 1)).expect("makes");
        let old = ring.seal(binding(COMPANY, "kv"), b"old").expect("seals");
        let second = ring.make(COMPANY, Id::from_parts(2, 1)).expect("makes");
        let new = ring.seal(binding(COMPANY, "kv"), b"new").expect("seals");
        let again = KeyRing::new(master);
        again.add(COMPANY, Id::from_parts(2, 1), &second).expect("adds");
        assert!(matches!(again.open(binding(COMPANY, "kv"), &old), Err(SealError::UnknownKey(_))));
        again.add(COMPANY, Id::from_parts(1, 1), &first).expect("adds");
        assert_eq!(again.open(binding(COMPANY, "kv"), &old).expect("opens"), b"old");
        assert_eq!(again.open(binding(COMPANY, "kv"), &new).expect("opens"), b"new");
        assert_eq!(again.seal(binding(COMPANY, "kv"), b"x").expect("seals").0[1..13], *Id::from_parts(2, 1).as_bytes());
    }

    #[test]
    fn a_data_key_moves_from_one_master_key_to_the_next() {
        let master = || MasterKey::from_hex(&MasterKey::fresh_hex().expect("random")).expect("a key");
        let (old, new, id) = (master(), master(), Id::from_parts(1, 1));
        let before = KeyRing::new(old.clone());
        let wrapped = before.make(COMPANY, id).expect("makes");
        let sealed = before.seal(binding(COMPANY, "kv"), b"secret").expect("seals");
        let between = KeyRing::new(new.clone()).after(Some(old));
        between.add(COMPANY, id, &wrapped).expect("the one before is taken, too");
        let again = between.rewrap(COMPANY, &wrapped).expect("wraps").expect("it was the old one's");
        assert_eq!((again.master.as_str(), between.master_id()), (new.id(), new.id()));
        assert_eq!(between.rewrap(COMPANY, &again), Ok(None));
        assert_eq!(between.rewrap(OTHER, &wrapped), Err(KeyError::Altered));
        let after = KeyRing::new(new);
        after.add(COMPANY, id, &again).expect("the old one is not needed any more");
        assert_eq!(after.open(binding(COMPANY, "kv"), &sealed).expect("opens"), b"secret");
        assert!(matches!(before.add(COMPANY, id, &again), Err(KeyError::WrongMaster(_))));
    }

    #[test]
    fn another_master_key_opens_nothing() {
        let wrapped = ring().make(COMPANY, Id::from_parts(3, 1)).expect("makes");
        assert!(matches!(ring().add(COMPANY, Id::from_parts(3, 1), &wrapped), Err(KeyError::WrongMaster(_))));
    }
}
