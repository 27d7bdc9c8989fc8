import ArgumentParser
import Clusters
import Foundation
import Models
import Plans

extension CompletionKind {
  /// Models that ship, and files of models.
  static let model = names(Architecture.shippedNames, orFiles: ["json"])
  /// Clusters that ship, and their files.
  static let cluster = names(Cluster.shippedNames, orFiles: ["yaml", "yml"])
  /// Plans that ship, and their files.
  static let plan = names(Plan.shippedNames, orFiles: ["yaml", "yml"])

  private static func names(_ names: [String], orFiles extensions: [String]) -> CompletionKind {
    .custom { _, _, typed in
      names.filter { $0.hasPrefix(typed) } + files(startingWith: typed, extensions)
    }
  }

  /// Folders, and files with these extensions, whose paths begin with what is typed.
  private static func files(startingWith typed: String, _ extensions: [String]) -> [String] {
    let slash = typed.lastIndex(of: "/")
    let folder = slash.map { String(typed[...$0]) } ?? ""
    let beginning = slash.map { String(typed[typed.index(after: $0)...]) } ?? typed
    let found = try? FileManager.default.contentsOfDirectory(
      atPath: folder.isEmpty ? "." : folder)
    return (found ?? []).sorted().filter { $0.hasPrefix(beginning) }.compactMap { name in
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: folder + name, isDirectory: &isFolder)
      // What begins with a dot is offered to those who type one.
      guard !name.hasPrefix(".") || beginning.hasPrefix(".") else { return nil }
      if isFolder.boolValue { return folder + name + "/" }
      return extensions.contains { name.hasSuffix(".\($0)") } ? folder + name : nil
    }
  }
}
