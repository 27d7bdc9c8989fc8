import Foundation
import PackagePlugin

/// Embeds the files of a room's folders that hold no Swift sources, as `PackageResources`.
///
/// SwiftPM's own `.embedInCode` writes a literal of bytes, which compiles at some 6 KB a second; a string
/// literal takes no time at all.
@main struct EmbedFiles: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let files = try embeddedFiles(of: target.directoryURL)
    let source = context.pluginWorkDirectoryURL.appending(path: "PackageResources.swift")
    return [
      .buildCommand(
        displayName: "Embedding \(files.count) files into \(target.name)",
        executable: try context.tool(named: "embed-files").url,
        arguments: [source.path] + files.map(\.path), inputFiles: files, outputFiles: [source])
    ]
  }

  /// Files of every folder in `room` without a Swift source, by name.
  private func embeddedFiles(of room: URL) throws -> [URL] {
    try contents(of: room).filter(isFolder).flatMap { folder in
      let files = try contents(of: folder.resolvingSymlinksInPath())
      return files.contains { $0.pathExtension == "swift" || isFolder($0) } ? [] : files
    }
  }

  private func contents(of folder: URL) throws -> [URL] {
    try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil, options: .skipsHiddenFiles
    ).sorted { $0.path < $1.path }
  }

  private func isFolder(_ url: URL) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
      && isFolder.boolValue
  }
}
