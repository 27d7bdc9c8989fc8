import Documents

/// A section of constants that a description took from another one, which measured them elsewhere.
public struct Borrowing: Hashable, Sendable {
  /// The section: `device.kernels.streaming`.
  public let section: String
  /// The description that it was taken from: `h800-2048`.
  public let source: String
}

extension Borrowing {
  /// Sections of constants, and what they are constants of.
  private static let sections = [
    ("device.kernels", of: "device"), ("device.kernels.matmul", of: "device.kernels"),
    ("device.kernels.attention", of: "device.kernels"),
    ("device.kernels.streaming", of: "device.kernels"), ("node.exchange", of: "node"),
    ("node.collectives", of: "node"),
  ]

  /// The sections that lie in another file than what they are constants of.
  static func all(in document: Document) -> [Borrowing] {
    sections.compactMap { section, whole in
      guard let source = document.file(of: section), let own = document.file(of: whole),
        source != own
      else { return nil }
      return Borrowing(section: section, source: Cluster.stem(of: source))
    }
  }
}
