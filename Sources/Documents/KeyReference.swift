/// Everything that may stand in one kind of file, for people to read: `sluice plan --keys`.
public struct KeyReference: Hashable, Sendable {
  /// The keys of one table.
  public struct Section: Hashable, Sendable {
    /// The path to the table: `node.link`; empty for the outermost one.
    public var path: String
    /// What the table is; empty for the outermost one.
    public var meaning: String
    /// What its absence means; nil where the table must be there.
    public var fallback: String?
    /// Its keys, tables that are only that left out.
    public var keys: [KeyEntry]
  }

  /// What is described: `a plan`.
  public var noun: String
  /// What stands above the tables.
  public var introduction: String
  /// The keys of the outermost table, with those of the tables in it.
  public var entries: [KeyEntry]
  /// The outermost table first, every other one behind the table around it.
  public var sections: [Section]

  public init(_ noun: String, _ introduction: String, _ entries: [KeyEntry]) {
    (self.noun, self.introduction, self.entries) = (noun, introduction, entries)
    sections = []
    add(entries, path: "", meaning: "", fallback: nil)
  }

  private mutating func add(
    _ entries: [KeyEntry], path: String, meaning: String, fallback: String?
  ) {
    let plain = entries.filter { $0.form != nil }
    sections.append(
      Section(path: path, meaning: meaning, fallback: fallback, keys: plain))
    var rest = entries[...]
    while let entry = rest.first {
      // Tables alike, such as those of several libraries, are described together.
      let alike = rest.prefix { $0.keys == entry.keys && $0.form == nil && entry.form == nil }
      rest = rest.dropFirst(max(1, alike.count))
      guard let keys = entry.keys, !keys.isEmpty else { continue }
      let names = alike.isEmpty ? entry.name : alike.map(\.name).joined(separator: "|")
      let own = (path.isEmpty ? "" : "\(path).") + names + (entry.isList ? "[…]" : "")
      if entry.form == nil {
        add(keys, path: own, meaning: entry.meaning, fallback: entry.fallback)
      } else {
        add(keys, path: own, meaning: "What may stand in place of a plain value.", fallback: nil)
      }
    }
  }
}

extension KeyReference {
  /// The path of every key that has a value, `[0]` standing for the items of lists of tables.
  public var leaves: [(path: String, entry: KeyEntry)] { Self.leaves(of: entries, under: "") }

  private static func leaves(
    of entries: [KeyEntry], under path: String
  ) -> [(path: String, entry: KeyEntry)] {
    entries.flatMap { entry in
      let own = (path.isEmpty ? "" : "\(path).") + entry.name
      let inner = entry.keys.map { leaves(of: $0, under: own + (entry.isList ? "[0]" : "")) }
      return (entry.form == nil ? [] : [(own, entry)]) + (inner ?? [])
    }
  }
}
