import Foundation
import Testing

/// Standard output that nobody takes: a message and status 4, or a quiet end where a reader went away.
@Suite struct LostOutputTests {
  static let commands = [
    "simulate", "simulate --json", "compare deepseek-v3 deepseek-v3 --json", "plan", "plan --json",
    "plan --print", "plan --list", "cluster h800-2048", "cluster h800-2048 --json",
    "model deepseek-v3", "cost attention", "schedule 1f1b --ranks 2 --microbatches 2",
    "validate schedules --summary", "help", "help simulate", "--version",
  ]

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")), arguments: commands)
  func aFullDiskIsSaid(_ command: String) throws {
    let result = try Command.shell("\"$SLUICE\" \(command) > /dev/full")
    #expect(result.status == 4)
    #expect(
      result.errors
        == "sluice: standard output: cannot be written: No space left on device\n")
  }

  @Test func aClosedDescriptorIsSaid() throws {
    let result = try Command.shell("\"$SLUICE\" plan --json >&-")
    #expect(result.status == 4)
    #expect(result.errors.hasPrefix("sluice: standard output: cannot be written: "))
  }

  /// The reader is gone before the first byte is written.
  @Test(arguments: ["simulate --json", "cluster h800-2048", "plan --print", "help"])
  func aClosedPipeEndsQuietly(_ command: String) throws {
    let line = "{ sleep 0.2; \"$SLUICE\" \(command); echo $? >&2; } | true"
    #expect(try Command.shell(line).errors == "0\n")
  }

  /// The message is lost too, and the status stays.
  @Test func lostMessagesAreNoFaults() throws {
    let result = try Command.shell("\"$SLUICE\" modl 2> /dev/full")
    #expect(result.status == 1)
  }

  /// What a file cannot take has the same status.
  @Test(arguments: ["-o /no/such/folder/x.csv", "-o /proc/x.csv"])
  func filesThatCannotBeWritten(_ option: String) throws {
    let result = try Command.run("schedule 1f1b --ranks 2 --microbatches 2 \(option)")
    #expect(result.status == 4)
    #expect(result.errors.hasPrefix("sluice: /"))
    #expect(result.errors.contains("cannot be written"), "\(result.errors)")
  }
}
