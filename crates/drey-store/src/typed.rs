//! From rows to resources: decoding with an error that names the object, so that one damaged row stays one problem.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Object};

impl Object {
    /// The document as a resource.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the text is not such a resource.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.doc).map_err(|source| self.damaged("document", source))
    }

    /// The controller's facts; the default when none were stored yet.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the text does not hold such facts.
    pub fn decode_facts<T: Default + DeserializeOwned>(&self) -> Result<T, Error> {
        match &self.facts {
            None => Ok(T::default()),
            Some(text) => {
                serde_json::from_str(text).map_err(|source| self.damaged("facts", source))
            }
        }
    }

    /// Replaces the document.
    ///
    /// # Errors
    /// [`Error::Unwritable`] when the resource has no JSON form.
    pub fn encode<T: Serialize>(&mut self, resource: &T) -> Result<(), Error> {
        self.doc = self.json(resource)?;
        Ok(())
    }

    /// Replaces the controller's facts.
    ///
    /// # Errors
    /// [`Error::Unwritable`] when the facts have no JSON form.
    pub fn encode_facts<T: Serialize>(&mut self, facts: &T) -> Result<(), Error> {
        self.facts = Some(self.json(facts)?);
        Ok(())
    }

    fn json<T: Serialize>(&self, value: &T) -> Result<String, Error> {
        serde_json::to_string(value).map_err(|source| Error::Unwritable {
            kind: self.kind,
            id: self.id,
            source,
        })
    }

    fn damaged(&self, part: &'static str, source: serde_json::Error) -> Error {
        Error::Damaged { part, kind: self.kind, name: self.name.clone(), id: self.id, source }
    }
}
