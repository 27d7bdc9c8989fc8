import Documents

/// A section of constants that a description took from another one, which measured them elsewhere.
public struct Borrowing: Hashable, Sendable {
  /// The section: `device.kernels.streaming`.
  public let section: String
  /// The description that it was taken from: `h800-2048`.
  public let source: String
}

extension Borrowing {
  /// The sections that lie in another file than what they are a part of.
  static func all(in document: Document) -> [Borrowing] {
    Cluster.sections.compactMap { section in
      guard let dot = section.lastIndex(of: "."), let source = document.file(of: section),
        let own = document.file(of: String(section[..<dot])), source != own
      else { return nil }
      return Borrowing(section: section, source: Cluster.stem(of: source))
    }
  }
}
