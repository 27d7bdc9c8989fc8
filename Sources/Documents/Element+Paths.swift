extension Element {
  /// The entry that a path of keys leads to; nil where there is none.
  func entry(at keys: ArraySlice<String>) -> Entry? {
    guard let key = keys.first, case .table(let entries) = content,
      let entry = entries.first(where: { $0.key == key })
    else { return nil }
    return keys.count == 1 ? entry : entry.element.entry(at: keys.dropFirst())
  }

  /// Puts another value, with its origin, where a path of keys leads; nothing where there is no such
  /// entry.
  mutating func replaceEntry(at keys: ArraySlice<String>, by replacement: Entry) {
    guard let key = keys.first, case .table(var entries) = content,
      let index = entries.firstIndex(where: { $0.key == key })
    else { return }
    if keys.count == 1 {
      entries[index].element = replacement.element
      entries[index].origin = replacement.origin
    } else {
      entries[index].element.replaceEntry(at: keys.dropFirst(), by: replacement)
    }
    content = .table(entries)
  }

  /// Takes the entry out to which a path of keys leads; nothing where there is no such entry.
  mutating func removeEntry(at keys: ArraySlice<String>) {
    guard let key = keys.first, case .table(var entries) = content,
      let index = entries.firstIndex(where: { $0.key == key })
    else { return }
    if keys.count == 1 {
      entries.remove(at: index)
    } else {
      entries[index].element.removeEntry(at: keys.dropFirst())
    }
    content = .table(entries)
  }

  /// The paths of all keys with the files in which their values were written, a table in front of those
  /// within it; lists are not entered.
  func collectPaths(below path: String, into paths: inout [(path: String, file: String?)]) {
    guard case .table(let entries) = content else { return }
    for entry in entries {
      let own = path.isEmpty ? entry.key : "\(path).\(entry.key)"
      var file: String?
      if case .line(_, let name) = entry.element.origin { file = name }
      paths.append((own, file))
      entry.element.collectPaths(below: own, into: &paths)
    }
  }

  /// This table with the values of another one in place of its own, tables entered.
  ///
  /// A value with its source counts as one, a list too; so does a table that names another description.
  func replacing(by other: Element) -> Element {
    guard case .table(var entries) = content, case .table(let changes) = other.content,
      !entries.isValue, !changes.isValue,
      !changes.contains(where: { $0.key == Document.likeKey })
    else { return other }
    for change in changes {
      guard let place = entries.firstIndex(where: { $0.key == change.key }) else {
        entries.append(change)
        continue
      }
      entries[place].origin = change.origin
      entries[place].element = entries[place].element.replacing(by: change.element)
    }
    return Element(content: .table(entries), origin: other.origin)
  }
}

extension [Element.Entry] {
  /// Whether they are a value with its source.
  fileprivate var isValue: Bool { contains { $0.key == "value" } }
}
