import Documents
import Foundation
import Reports
import Testing

/// Files appear whole or not at all.
@Suite struct OutputFileTests {
  @Test func aFileAppearsWhenItIsClosed() throws {
    let scratch = try Scratch()
    let path = try scratch.write("old", "x.txt")
    var file = try OutputFile(path: path)
    try file.write("new")
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
    try file.close()
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
    #expect(scratch.names == ["x.txt"])
  }

  @Test func aFileThatIsGivenUpLeavesNothing() throws {
    let scratch = try Scratch()
    do {
      var file = try OutputFile(path: scratch.file("x.txt"))
      try file.write("half")
    }
    #expect(scratch.names.isEmpty)
  }

  @Test func aLinkKeepsPointing() throws {
    let scratch = try Scratch()
    let target = try scratch.write("old", "target.txt")
    let link = scratch.file("link.txt")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
    try OutputFile.write("new", to: link)
    #expect(try String(contentsOfFile: target, encoding: .utf8) == "new")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == target)
  }

  @Test func aFullDeviceIsAnError() throws {
    #expect(throws: ConfigurationError.self) { try OutputFile.write("x", to: "/dev/full") }
    #expect(throws: ConfigurationError.self) { try OutputFile.write("x", to: "/dev/null/x") }
    #expect(throws: ConfigurationError.self) { try OutputFile.write("x", to: "") }
    try OutputFile.write("x", to: "/dev/null")
  }
}
