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
}
