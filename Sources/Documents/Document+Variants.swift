extension Document {
  /// A document for each table of the list under `key`: all that stands beside the list, with the entries
  /// of the table in place of those of the same name.
  ///
  /// Every value keeps the line on which it was written.
  ///
  /// - Returns: nil where the key is missing or `null`; with each document the table of its own.
  /// - Throws: `ConfigurationError` where something else than a list of tables stands under the key, or
  ///   nothing at all; also where a table has the key itself, which would be passed over.
  public func variants(ofList key: String) throws(ConfigurationError)
    -> [(document: Document, own: Table)]?
  {
    guard case .table(let entries) = root.content,
      let found = entries.first(where: { $0.key == key })
    else { return nil }
    func failure(_ element: Element, _ rule: String) -> ConfigurationError {
      Field(document: name, keyPath: key, origin: found.origin, element: element).error(rule)
    }
    if found.element.isNull {
      // A list whose entries were taken out, most likely: what it said would be lost without a word.
      guard found.element.scalarText != "" else {
        throw failure(found.element, "has nothing behind it: expected a list of tables, or null")
      }
      return nil
    }
    guard case .list(let items) = found.element.content, !items.isEmpty else {
      throw failure(found.element, "expected a list of tables")
    }
    var documents: [(document: Document, own: Table)] = []
    for (index, item) in items.enumerated() {
      guard case .table(let own) = item.content else { throw failure(item, "expected a table") }
      let table = try Field(
        document: name, keyPath: "\(key)[\(index)]", origin: nil, element: item
      ).table()
      guard table.field(key) == nil else {
        throw table.error("cannot stand within \(key)[\(index)]", at: key)
      }
      let names = Set(own.map(\.key))
      var document = self
      document.root.content = .table(
        entries.filter { $0.key != key && !names.contains($0.key) } + own)
      documents.append((document, table))
    }
    return documents
  }

  /// The place of the item of a list under a key whose `name` is a text; nil where there is none.
  public func place(ofItemNamed text: String, inList key: String) -> Int? {
    guard let list = root.entry(at: [key])?.element, case .list(let items) = list.content else {
      return nil
    }
    return items.firstIndex { $0.entry(at: ["name"])?.element.scalarText == text }
  }
}
