import Documents

/// A section of constants that a description took from another one, which measured them elsewhere.
public struct Borrowing: Hashable, Sendable {
  /// The section: `device.kernels.streaming`.
  public let section: String
  /// The description that it was taken from: `h800-2048`.
  public let source: String
}

extension Borrowing {
  /// The sections that lie in another file than what they are a part of, as a whole or most of them (`like`).
  static func all(in document: Document) -> [Borrowing] {
    let paths = document.keyPaths
    return Cluster.sections.compactMap { section in
      guard let dot = section.lastIndex(of: "."), let source = document.file(of: section),
        let own = document.file(of: String(section[..<dot]))
      else { return nil }
      if source != own { return Borrowing(section: section, source: Cluster.stem(of: source)) }
      return most(of: section, besides: own, paths, document).map {
        Borrowing(section: section, source: Cluster.stem(of: $0))
      }
    }
  }

  /// The other file in which most of a section's values lie; nil where they are its own.
  ///
  /// Sections within it are told by themselves.
  private static func most(
    of section: String, besides own: String, _ paths: [String], _ document: Document
  ) -> String? {
    let within = Cluster.sections.filter { $0.hasPrefix(section + ".") }
    let values = paths.filter { path in
      path.hasPrefix(section + ".") && !within.contains { path == $0 || path.hasPrefix($0 + ".") }
    }
    let others = values.compactMap { document.file(of: $0) }.filter { $0 != own }
    return others.count * 2 > values.count ? others[0] : nil
  }
}
