import Documents
import Foundation
import TestSupport
import Testing

/// Files appear whole or not at all, and nothing is replaced that must stay.
@Suite struct OutputFileTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func text(_ path: String) throws -> String {
    try String(contentsOfFile: path, encoding: .utf8)
  }

  private var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
  }

  private func refusal(_ path: String, besides others: [String] = []) -> ConfigurationError? {
    #expect(throws: ConfigurationError.self) { try OutputPath(path, besides: others) }
  }

  @Test func aFileAppearsWhenItIsClosed() throws {
    let path = try folder.write("old", to: "x.txt")
    var file = try OutputFile(OutputPath(path, besides: []))
    try file.write("new")
    #expect(try text(path) == "old")
    try file.close()
    #expect(try text(path) == "new")
    #expect(names == ["x.txt"])
  }

  @Test func aFileThatIsGivenUpLeavesNothing() throws {
    do {
      var file = try OutputFile(OutputPath(folder.file("x.txt"), besides: []))
      try file.write(String(repeating: "half", count: 1 << 18))
    }
    #expect(names.isEmpty)
  }

  @Test func aFileBeyondItsLimitIsRefused() throws {
    let path = try folder.write("old", to: "x.txt")
    #expect(throws: ConfigurationError.self) {
      try OutputFile.write("12345", to: OutputPath(path, besides: []), limit: 4)
    }
    #expect(try text(path) == "old" && names == ["x.txt"])
  }

  /// What a process of the same number left behind is in nobody's way.
  @Test func leftoversDoNotMatter() throws {
    for attempt in 0..<3 {
      _ = try folder.write("half", to: ".sluice-\(getpid())-\(attempt).unfinished")
    }
    let path = folder.file("x.txt")
    try OutputFile.write("whole", to: OutputPath(path, besides: []))
    #expect(try text(path) == "whole" && names.count == 4)
  }

  @Test func permissionsStay() throws {
    let path = try folder.write("old", to: "x.txt")
    chmod(path, 0o640)
    try OutputFile.write("new", to: OutputPath(path, besides: []))
    let rights = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
    #expect(rights as? Int == 0o640)
  }

  @Test func aLinkKeepsPointing() throws {
    let target = try folder.write("old", to: "target.txt")
    let link = folder.file("link.txt")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
    try OutputFile.write("new", to: OutputPath(link, besides: []))
    #expect(try text(target) == "new")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == target)
  }

  @Test func linksToAnythingElseAreRefused() throws {
    for target in ["/dev/null", folder.path, folder.file("nothing")] {
      let link = folder.file("link")
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
      #expect(refusal(link)?.status == .badInput)
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == target)
      try FileManager.default.removeItem(atPath: link)
    }
  }

  @Test func onlyRegularFilesAreWritten() throws {
    let pipe = folder.file("pipe")
    try #require(mkfifo(pipe, 0o600) == 0)
    #expect(refusal(pipe)?.rule.contains("is a pipe") == true)
    #expect(refusal("/dev/full")?.rule.contains("is a device") == true)
    #expect(refusal("/dev/null")?.status == .badInput)
    #expect(refusal(folder.path)?.rule.contains("is a directory") == true)
    #expect(refusal("")?.status == .badInput)
    #expect(names == ["pipe"])
  }

  @Test func foldersMustBeThere() throws {
    let file = try folder.write("x", to: "file")
    for path in [folder.file("none/x.txt"), "\(file)/x.txt", "\(folder.path)/none/"] {
      #expect(refusal(path)?.status == .storage)
    }
    _ = try OutputPath(folder.file("none/deeper/x.txt"), besides: [], makingFolders: true)
    #expect(throws: ConfigurationError.self) {
      try OutputPath("\(file)/x.txt", besides: [], makingFolders: true)
    }
  }

  /// The same file by its name, by a way around, by a hard and by a symbolic link.
  @Test func inputsAreNeverWritten() throws {
    let input = try folder.write("text", to: "input.txt")
    let (hard, soft) = (folder.file("hard.txt"), folder.file("soft.txt"))
    try FileManager.default.linkItem(atPath: input, toPath: hard)
    try FileManager.default.createSymbolicLink(atPath: soft, withDestinationPath: "input.txt")
    let around = "\(folder.path)/../\(folder.path.split(separator: "/").last ?? "")/input.txt"
    for name in [input, hard, soft, around] {
      #expect(refusal(name, besides: [input])?.rule.contains(input) == true, "\(name)")
      #expect(refusal(input, besides: [name])?.status == .badInput, "\(name)")
    }
    _ = try OutputPath(folder.file("other.txt"), besides: [input])
    // Two outputs that are not there yet.
    #expect(refusal(folder.file("new"), besides: ["\(folder.path)/./new"]) != nil)
  }

  /// A plan names a schedule's file, an override another one.
  @Test func filesLeadToFiles() throws {
    let schedule = try folder.write("0F0", to: "own.csv")
    let counts = try folder.write("{}", to: "counts.jsonl")
    let plan = try folder.write("schedule-file: own.csv\nname: none\n", to: "plan.yaml")
    let reached = InputFiles.reached(
      from: [plan, "plan.expert-load={counts: \(counts)}", "no-such-file"])
    #expect(Set(reached) == [schedule, counts, plan])
  }
}
