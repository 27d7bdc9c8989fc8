import Foundation
import Testing

/// The source tree that this test was built from.
struct House {
  /// A Swift file: where it lies below the top, and its lines.
  struct File {
    var path: String
    var lines: [Substring]

    /// The room, executable or suite whose folder holds the file, two folders deep.
    var folder: String { path.split(separator: "/").prefix(2).joined(separator: "/") }

    /// The modules that the file imports.
    var imports: [String] { lines.compactMap { importedModule(in: $0) } }
  }

  /// The folder with `Package.swift`.
  let top = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The Swift files below some folders of the top, in the order of their paths.
  func files(below folders: [String]) throws -> [File] {
    var files: [File] = []
    for folder in folders {
      let place = top.appendingPathComponent(folder)
      let paths = try FileManager.default.subpathsOfDirectory(atPath: place.path).sorted()
      for path in paths where path.hasSuffix(".swift") {
        files.append(try file("\(folder)/\(path)"))
      }
    }
    return files
  }

  /// One file by its path below the top.
  func file(_ path: String) throws -> File {
    let text = try String(contentsOf: top.appendingPathComponent(path), encoding: .utf8)
    return File(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false))
  }

  /// What the tests of every room name beside it.
  func dependenciesOfTests() throws -> [String: Set<String>] {
    let text = try file("Package.swift").lines.filter { !isComment($0) }.joined(separator: "\n")
    let target = /tests\(\s*of: "(\w+)"(?:,\s*\[([^\[\]]*)\])?/
    var found: [String: Set<String>] = [:]
    for match in text.matches(of: target) {
      let list = match.2 ?? ""
      found[String(match.1)] = Set(list.matches(of: /"([\w-]+)"/).map { String($0.1) })
    }
    return found
  }

  /// What every target of the manifest may import: its dependencies by name, its own name left out.
  ///
  /// Products of packages stand by their own names, whatever the manifest calls them.
  func dependencies() throws -> [String: Set<String>] {
    let text = try file("Package.swift").lines.filter { !isComment($0) }.joined(separator: "\n")
    var products: [Substring: String] = [:]
    for match in text.matches(of: /let (\w+) = Target\.Dependency\.product\(\s*name: "(\w+)"/) {
      products[match.1] = String(match.2)
    }
    let target =
      /(?:room|\.executableTarget|\.systemLibrary)\(\s*(?:name: )?"([\w-]+)"(?:,\s*(?:dependencies: )?\[((?:[^\[\]]|\[[^\]]*\])*)\])?/
    var found: [String: Set<String>] = [:]
    for match in text.matches(of: target) {
      let list = match.2 ?? ""
      let quoted = list.matches(of: /"([\w-]+)"/).map { String($0.1) }
      let constants = list.matches(of: /(?:^|[\s,])([a-z]\w*)(?=\s*(?:,|$))/)
        .compactMap { products[$0.1] }
      found[String(match.1)] = Set(quoted + constants)
    }
    return found
  }
}

/// The module that a line imports: `internal import CMPI`, `import struct Foundation.URL`.
func importedModule(in line: Substring) -> String? {
  // Most lines are none, and a pattern takes its time.
  guard line.contains("import") else { return nil }
  let pattern =
    /\s*(?:@\w+\s+)*(?:(?:public|package|internal|private|fileprivate)\s+)?import\s+(?:(?:typealias|struct|class|enum|protocol|let|var|func)\s+)?(\w+).*/
  return line.wholeMatch(of: pattern).map { String($0.1) }
}

private func isComment(_ line: Substring) -> Bool {
  line.drop { $0 == " " }.hasPrefix("//")
}
