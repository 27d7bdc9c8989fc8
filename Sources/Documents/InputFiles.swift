#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The files that a command reads: those that it was given, and those that they name.
public enum InputFiles {
  /// Follows files to the files that their texts name, beside them or in the working directory, such as a
  /// plan to its `schedule-file` and a cluster to another cluster.
  ///
  /// - Parameters:
  ///   - words: what a command was given: paths, names, and overrides as `key=value`. What is no file is
  ///     passed over.
  /// - Returns: paths of regular files, in the order in which they are found.
  public static func reached(from words: [String]) -> [String] {
    var found: [String] = []
    var seen: Set<String> = []
    var waiting: [(word: String, folder: String?)] = []
    for word in words.reversed() {
      let value = word.split(separator: "=", maxSplits: 1).last.map(String.init) ?? word
      let parts = (try? Document(text: value, name: word))?.root.texts ?? []
      for text in parts + [value, word] { waiting.append((text, nil)) }
    }
    while let (word, folder) = waiting.popLast() {
      let beside = folder.map { ["\($0)/\(word)"] } ?? []
      for path in word.hasPrefix("/") ? [word] : beside + [word, "\(word)/config.json"] {
        guard let status = FileStatus(path), status.mode & S_IFMT == S_IFREG,
          seen.insert("\(status.device) \(status.number)").inserted
        else { continue }
        found.append(path)
        let own = folderOf(path)
        waiting += texts(of: path).reversed().map { ($0, own) }
      }
    }
    return found
  }

  private static func folderOf(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }

  /// The texts in a file that people write: values of tables, items of lists.
  private static func texts(of path: String) -> [String] {
    guard [".yaml", ".yml", ".json"].contains(where: path.hasSuffix),
      let document = try? Document(file: path)
    else { return [] }
    return document.root.texts
  }
}

extension Element {
  /// Every scalar within, in the order of the file.
  fileprivate var texts: [String] {
    switch content {
    case .scalar(let text, _): [text]
    case .list(let items): items.flatMap(\.texts)
    case .table(let entries): entries.flatMap(\.element.texts)
    }
  }
}
