import Foundation
import Testing

/// `sluice calibrate`: every fit that it names prints, and so does the probe.
@Suite struct CalibrateCommandTests {
  /// The names in the message about one that is unknown.
  private static let names: [String] = {
    let said = (try? Command.run("calibrate --shipped nothing").errors) ?? ""
    let list = said.split(separator: "expected one of ").last ?? ""
    return list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
  }()

  @Test func namesAreListed() {
    #expect(Self.names.count > 10)
    for name in ["h100", "h100-products", "h100-attention", "h100-power"] {
      #expect(Self.names.contains(name), "\(Self.names)")
    }
  }

  /// A page within a hundred columns, and JSON with constants that are numbers.
  @Test(arguments: names.filter { !$0.hasPrefix("b200") && $0 != "a100-products" })
  func everyFitPrints(name: String) throws {
    let page = try Command.run("calibrate --shipped \(name)")
    #expect(page.status == 0 && page.output.contains("fitted again"), "\(page.errors)")
    for line in page.output.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    let value = try CommandTests.json("calibrate --shipped \(name) --json")
    let constants = try #require(value["constants"] as? [[String: Any]])
    #expect(!constants.isEmpty)
    for constant in constants { #expect(constant["shipped"] is Double, "\(constant)") }
  }

  /// Python compiles what is printed, where there is one.
  @Test func theProbeIsPython() throws {
    let script = try Command.run("calibrate --probe")
    #expect(script.status == 0 && script.output.hasPrefix("#!/usr/bin/env python3\n"))
    let compiled = try Command.shell(
      "command -v python3 >/dev/null || exit 0; $SLUICE calibrate --probe "
        + "| python3 -c 'import sys; compile(sys.stdin.read(), \"probe\", \"exec\")'")
    #expect(compiled.status == 0, "\(compiled.errors)")
  }

  @Test(arguments: [
    ("calibrate", "expected either --shipped or --probe"),
    ("calibrate --probe --shipped h100", "expected either --shipped or --probe"),
    ("calibrate --probe --json", "--json has nothing to act on"),
  ])
  func faultsAreSaid(line: String, rule: String) throws {
    let command = try Command.run(line)
    #expect(command.status == 1 && command.output.isEmpty && command.errors.contains(rule))
  }
}
