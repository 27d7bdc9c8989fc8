import Yams

/// Where a key stands the second time, which the parser below does not say.
extension DocumentParser {
  /// The line of the second of two equal keys in one table, of which `first` is the place of the first; nil where
  /// it cannot be told.
  ///
  /// The first gets another name, as do the first ones of all others that are written twice, until the text can be
  /// read: then the second stands in the table of the first.
  func lineOfSecond(_ key: String, after first: Mark, in text: String) -> Int? {
    var (text, key, place) = (text, key, first)
    let wanted = key
    for count in 1...Self.mostDuplicates {
      let marks = String(repeating: Self.mark, count: count)
      guard let renamed = Self.marking(key, with: marks, at: place, in: text) else { return nil }
      text = renamed
      do {
        let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
        guard let root = try parser.singleRoot() else { return nil }
        return withExtendedLifetime(parser) { Self.line(of: wanted, in: root) }
      } catch YamlError.duplicatedKeysInMapping(let duplicates, let context) {
        (key, place) = (duplicates[0], context.mark)
      } catch {
        return nil
      }
    }
    return nil
  }

  /// Keys written twice that are looked through.
  private static let mostDuplicates = 16

  /// What another name begins with: of Unicode's private area, in no description.
  private static let mark = "\u{E000}"

  /// The text with marks in front of the key that stands at a place; nil where it does not.
  private static func marking(
    _ key: String, with marks: String, at place: Mark, in text: String
  ) -> String? {
    var scalars = Array(text.unicodeScalars)
    var (line, index) = (1, 0)
    while line < place.line, index < scalars.count {
      if scalars[index] == "\n" { line += 1 }
      index += 1
    }
    index += place.column - 1
    guard index < scalars.count else { return nil }
    if scalars[index] == "\"" || scalars[index] == "'" { index += 1 }
    guard scalars[index...].starts(with: key.unicodeScalars) else { return nil }
    scalars.insert(contentsOf: marks.unicodeScalars, at: index)
    return String(String.UnicodeScalarView(scalars))
  }

  /// The line of a key in the table in which it has one mark, too.
  private static func line(of key: String, in node: Node) -> Int? {
    switch node {
    case .mapping(let mapping):
      guard mapping.contains(where: { $0.key.string == mark + key }) else {
        return mapping.lazy.compactMap { line(of: key, in: $0.value) }.first
      }
      return mapping.compactMap { pair -> Int? in
        guard let name = pair.key.string, name != mark + key else { return nil }
        return name.drop { String($0) == mark } == key ? pair.key.mark?.line : nil
      }.min()
    case .sequence(let items): return items.lazy.compactMap { line(of: key, in: $0) }.first
    case .scalar, .alias: return nil
    }
  }
}
