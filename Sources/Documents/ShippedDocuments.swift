import Synchronization

/// Descriptions that the program carries: each is parsed when it is first asked for, and then known.
///
/// A cluster takes sections of several others, and a search or a sweep reads the same ones again and again.
package final class ShippedDocuments: Sendable {
  private let known = Mutex<[String: Document]>([:])

  package init() {}

  /// The document that messages call `name`, of these bytes.
  ///
  /// Complexity: parses at the first call with a name; two callers at once may both do so.
  package func document(
    _ bytes: [UInt8], name: String
  ) throws(ConfigurationError) -> Document {
    if let document = known.withLock({ $0[name] }) { return document }
    let document = try Document(bytes: bytes, name: name)
    known.withLock { $0[name] = document }
    return document
  }
}
