import Documents

/// One value of a document, with the words in which another one may be written.
public struct Leaf {
  /// The path as `--set` takes it: `network.layers[0].radix`.
  public var path: String
  /// The text of a single value; nil for a list.
  public var text: String?
  /// The texts of a list of single values.
  public var items: [String] = []

  public init(path: String, text: String?, items: [String] = []) {
    (self.path, self.text, self.items) = (path, text, items)
  }

  /// The path as references write it, where all items of a list are described together.
  public var described: String {
    path.replacing(/\[\d+\]/, with: "[0]")
  }
}

extension Leaf {
  /// Every value of a document in the order written; of a value with a source, the value.
  public static func all(in document: Document) throws -> [Leaf] {
    try leaves(of: document.table(), under: "")
  }

  private static func leaves(of table: Table, under path: String) throws -> [Leaf] {
    try table.allFields().flatMap { key, field in
      try leaves(of: field, at: path.isEmpty ? key : "\(path).\(key)")
    }
  }

  private static func leaves(of field: Field, at path: String) throws -> [Leaf] {
    if field.isNull { return [] }
    if field.isList {
      let items = try field.items()
      if items.contains(where: \.isTable) {
        return try items.enumerated().flatMap {
          try leaves(of: $1.table(), under: "\(path)[\($0)]")
        }
      }
      return [Leaf(path: path, text: nil, items: try items.map { try $0.read(.string) })]
    }
    guard field.isTable else { return [Leaf(path: path, text: try field.read(.string))] }
    let table = try field.table()
    if let value = table.field("value") { return try leaves(of: value, at: path) }
    return try leaves(of: table, under: path)
  }
}

extension Leaf {
  /// Other values in the words of `form`, the likeliest to be admitted first.
  public func changes(_ form: ValueForm) -> [String] {
    var all: [String] = []
    for change in Self.changes(form, text: text, items: items)
    where change != text && !all.contains(change) { all.append(change) }
    return all
  }

  private static func changes(_ form: ValueForm, text: String?, items: [String]) -> [String] {
    switch form {
    case .sourced(let form): return changes(form, text: text, items: items)
    case .either(let forms): return forms.flatMap { changes($0, text: text, items: items) }
    case .boolean: return ["true", "false"]
    case .choice(let names): return names
    case .text: return ["no-such-thing"]
    case .integer(let range):
      guard let text, let number = Int(text) else { return [] }
      let changed = [
        number * 2, number / 2, number + 1, number - 1, number * 4, number / 4, number + 32,
        range.lowerBound,
      ]
      return changed.filter(range.contains).map(String.init)
    case .number, .positiveNumber:
      guard let text, let number = Double(text) else { return [] }
      let changed = [
        number * 0.8, number * 1.25, number * 0.5, number * 2, number + 0.5, 0, number + 500,
      ]
      return changed.map { "\($0)" }
    case .quantity:
      guard let text else { return [] }
      let digits = text.prefix { "0123456789.".contains($0) }
      guard let number = Double(digits) else { return [] }
      let unit = text.dropFirst(digits.count)
      let changed =
        number == 0 ? [5] : [0.8, 1.25, 0.5, 2, 0.99, 0.01, 100, 0.0625].map { $0 * number }
      return changed.map { "\($0)\(unit)" }
    case .list(let form, _): return changes(items, each: form)
    }
  }

  /// Lists of counts keep their sum; of numbers, one is halved; of words, one is left out or added.
  private static func changes(_ items: [String], each form: ValueForm) -> [String] {
    func written(_ items: [String]) -> String { "[\(items.joined(separator: ", "))]" }
    func replacing(_ place: Int, by text: String?) -> String {
      var changed = items
      changed.replaceSubrange(place...place, with: text.map { [$0] } ?? [])
      return written(changed)
    }
    switch form {
    case .choice(let names):
      return items.indices.map { replacing($0, by: nil) }
        + names.filter { !items.contains($0) }.map { written(items + [$0]) }
    case .number:
      return items.enumerated().compactMap { place, text in
        Double(text).map { replacing(place, by: "\($0 / 2)") }
      }
    case .integer:
      let counts = items.compactMap { Int($0) }
      guard counts.count == items.count, counts.count > 1 else { return [] }
      return (1..<counts.count).flatMap { place in
        [(0, place), (place, 0)].map { from, to in
          var moved = counts
          moved[from] -= 1
          moved[to] += 1
          return written(moved.map(String.init))
        }
      }
    default: return []
    }
  }
}
