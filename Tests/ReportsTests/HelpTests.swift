import Foundation
import Testing

/// What `--help` and `--version` print.
@Suite struct HelpTests {
  /// Every command that there is; none where the program cannot be run.
  static let commands: [String] =
    [""] + ((try? subcommands(of: "") + subcommands(of: "cost")) ?? [])

  private static func subcommands(of command: String) throws -> [String] {
    let help = try Command.run("\(command) --help").output
    let list = try #require(help.range(of: "SUBCOMMANDS:\n"))
    return help[list.upperBound...].split(separator: "\n").compactMap { line in
      guard line.hasPrefix("  "), !line.hasPrefix("   "), !line.hasPrefix("  See") else {
        return nil
      }
      let name = String(line.dropFirst(2).prefix { $0 != " " })
      return command.isEmpty ? name : "\(command) \(name)"
    }
  }

  @Test func thereAreCommands() { #expect(Self.commands.count >= 17) }

  /// A line of prose is only broken where the next word would not fit: nobody wrapped it before.
  @Test(arguments: commands) func proseIsWrappedOnce(_ command: String) throws {
    let lines = try Command.run("\(command) --help").output
      .split(separator: "\n", omittingEmptySubsequences: false)
    for (line, next) in zip(lines, lines.dropFirst()) {
      #expect(line.count <= 80 || line.hasPrefix("USAGE:"), "\(line)")
      guard let text = line.firstIndex(where: { $0 != " " }),
        let word = next.split(separator: " ").first, !".:".contains(line.last ?? "."),
        next.hasPrefix(line[..<text]), next.dropFirst(line[..<text].count).first != " ",
        !isListed(line)
      else { continue }
      #expect(line.count + 1 + word.count >= 80, "\(line)\n\(next)")
    }
  }

  /// Examples, options and tables have lines of their own.
  private func isListed(_ line: Substring) -> Bool {
    line.hasPrefix("  ") && !line.hasPrefix("   ")
  }

  /// What an example shows can be pasted: none is broken where the shell would end it.
  @Test(arguments: commands) func examplesAreWhole(_ command: String) throws {
    let help = try Command.run("\(command) --help").output
    guard let start = help.range(of: "Example:\n") ?? help.range(of: "Examples:\n") else { return }
    var goesOn = false
    for line in help[start.upperBound...].split(
      separator: "\n", omittingEmptySubsequences: false
    ).prefix(while: { !$0.isEmpty }) {
      #expect(line.hasPrefix(goesOn ? "    " : "  "), "\(line)")
      goesOn = line.hasSuffix("\\")
    }
    #expect(!goesOn)
  }

  @Test(arguments: [
    ("simulat", "there is no command 'simulat'; did you mean simulate?"),
    ("nonsense --json", "there is no command 'nonsense'; see sluice --help"),
    ("cost matmull --m 1", "there is no command 'cost matmull'; did you mean matmul?"),
    ("cost nothing", "there is no command 'cost nothing'; see sluice cost --help"),
  ])
  func namesOfNoCommand(line: String, message: String) throws {
    let result = try Command.run(line)
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.errors == "sluice: \(message)\n")
  }

  @Test func theTableOfStatuses() throws {
    let help = try Command.run("help").output
    for status in 0...9 { #expect(help.contains("\n  \(status)  "), "\(status)") }
    #expect(!help.contains("64"))
  }

  @Test func theVersion() throws {
    let result = try Command.run("--version")
    #expect(result.status == 0)
    #expect(result.output.wholeMatch(of: /sluice \d+\.\d+\.\d+\n/) != nil, "\(result.output)")
  }
}
