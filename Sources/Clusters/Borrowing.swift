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
    let keys = document.keyFiles
    let places = Dictionary(
      keys.enumerated().map { ($1.path, $0) }, uniquingKeysWith: { first, _ in first })
    return Cluster.sections.compactMap { section in
      guard let dot = section.lastIndex(of: "."), let place = places[section],
        let around = places[String(section[..<dot])], let source = keys[place].file,
        let own = keys[around].file
      else { return nil }
      if source != own { return Borrowing(section: section, source: Cluster.stem(of: source)) }
      // A table stands in front of what it holds.
      let held = keys[(place + 1)...].prefix { $0.path.hasPrefix(section + ".") }
      return most(of: section, besides: own, held).map {
        Borrowing(section: section, source: Cluster.stem(of: $0))
      }
    }
  }

  /// The other file in which most of a section's values lie; nil where they are its own.
  ///
  /// Sections within it are told by themselves.
  private static func most(
    of section: String, besides own: String, _ held: ArraySlice<(path: String, file: String?)>
  ) -> String? {
    let within = Cluster.sections.filter { $0.hasPrefix(section + ".") }
    let values = held.filter { key in
      !within.contains { key.path == $0 || key.path.hasPrefix($0 + ".") }
    }
    let others = values.compactMap(\.file).filter { $0 != own }
    return others.count * 2 > values.count ? others[0] : nil
  }
}
