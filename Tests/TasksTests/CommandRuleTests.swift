import Foundation
import Quantities
import Tasks
import TestSupport
import Testing

/// Programs that people wrote, good and bad.
@Suite struct CommandRuleTests {
  /// What a shell's text gives to answers: rewards, or why there are none.
  private func rewards(
    _ script: String, seconds: Double = 60, memory: ByteCount = ByteCount(2 << 30),
    file: ByteCount = ByteCount(1 << 30), completions: [String] = ["x", "y"]
  ) -> [Result<Double, RewardFailure>] {
    CommandRule(
      command: ["/bin/sh", "-c", script], timeLimit: seconds, memoryLimit: memory, fileLimit: file
    )
    .rewards(of: completions.map { TaskAnswer(prompt: prompt("1"), completion: $0) })
  }

  private func failures(_ results: [Result<Double, RewardFailure>]) -> [String] {
    results.map { result in
      switch result {
      case .success(let reward): "\(reward)"
      case .failure(let failure): failure.description
      }
    }
  }

  @Test func aProgramGivesALineForEach() throws {
    #expect(
      rewards("while read line; do echo \"$line\" | grep -c '\"completion\":\"x\"'; done")
        == [.success(1), .success(0)])
    #expect(
      rewards("cat >/dev/null; echo '{\"reward\": -2.5}'; echo 3") == [.success(-2.5), .success(3)])
    // A last line need not end.
    #expect(rewards("echo 1; printf 2") == [.success(1), .success(2)])
  }

  @Test func aProgramSeesPromptAnswerAndFields() throws {
    let folder = try ScratchFolder()
    let file = folder.file("seen")
    #expect(rewards("cat > \(file); echo 1; echo 1") == [.success(1), .success(1)])
    #expect(
      String(decoding: try contents(of: file), as: UTF8.self)
        == ["x", "y"].map {
          "{\"prompt\":\"question\",\"completion\":\"\($0)\",\"answer\":\"1\"}\n"
        }
        .joined())
  }

  /// Its children, which would go on for minutes, end with it.
  @Test func aHangingProgramIsEndedWithItsChildren() throws {
    let folder = try ScratchFolder()
    let file = folder.file("child")
    let results = rewards(
      "sleep 300 & echo $! > \(file); echo 0.5; sleep 300", seconds: 1)
    #expect(results[0] == .success(0.5))
    #expect(failures(results)[1] == "/bin/sh: was ended after 1.0 seconds")
    let text = String(decoding: try contents(of: file), as: UTF8.self)
    let child = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(Launch.wait { !isAlive(child) })
  }

  /// Who is not waited for any more is ended at once, with its children.
  @Test func aProgramEndsWithItsRun() throws {
    let folder = try ScratchFolder()
    let file = folder.file("child")
    let rewards = Rewards([
      .init(
        name: "p",
        rule: CommandRule(
          command: ["/bin/sh", "-c", "sleep 300 & echo $! > \(file); sleep 300"], timeLimit: 600))
    ]).stopping { FileManager.default.fileExists(atPath: file) }
    let grades = rewards.grade([TaskAnswer(prompt: prompt("1"), completion: "x")])
    #expect(grades.totals == [0])
    #expect(grades.notices.first?.contains("was ended, since the run is to stop") == true)
    _ = try wait(forChildIn: file)
  }

  /// The process of a file's number, which is to end.
  private func wait(forChildIn file: String) throws -> Int32 {
    let text = String(decoding: try contents(of: file), as: UTF8.self)
    let child = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(Launch.wait { !isAlive(child) })
    return child
  }

  /// A child that holds the pipe open does not keep the program's caller waiting.
  @Test func aChildLeftBehindIsEnded() throws {
    let folder = try ScratchFolder()
    let file = folder.file("child")
    let results = rewards("sleep 300 & echo $! > \(file); echo 1; echo 2")
    #expect(results == [.success(1), .success(2)])
    let text = String(decoding: try contents(of: file), as: UTF8.self)
    let child = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(Launch.wait { !isAlive(child) })
  }

  @Test func aCrashingProgramSaysWhy() {
    let crashed = failures(rewards("cat >/dev/null; echo 1; echo bad luck >&2; kill -SEGV $$"))
    #expect(crashed == ["1.0", "/bin/sh: was ended by signal 11: bad luck"])
    let failed = failures(rewards("exit 3"))
    #expect(failed == ["/bin/sh: ended with status 3", "/bin/sh: ended with status 3"])
  }

  /// All lines count, and what went wrong behind them is said.
  @Test(arguments: [
    ("cat >/dev/null; echo 1; echo 2; exit 3", "/bin/sh: ended with status 3", 60.0),
    ("echo 1; echo 2; sleep 300", "/bin/sh: was ended after 1.0 seconds", 1.0),
  ])
  func aProgramThatFailsBehindItsLinesIsNoted(script: String, words: String, seconds: Double) {
    let rule = CommandRule(command: ["/bin/sh", "-c", script], timeLimit: seconds)
    let grades = Rewards([.init(name: "p", rule: rule)]).grade(
      ["x", "y"].map { TaskAnswer(prompt: prompt("1"), completion: $0) })
    #expect(grades.totals == [1, 2])
    #expect(grades.notices == ["rewards: p: all rewards count, and yet \(words)"])
  }

  @Test func aBabblingProgramIsEnded() {
    for results in [failures(rewards("yes")), failures(rewards("yes 1 | head -100000"))] {
      #expect(results.allSatisfy { $0.contains("wrote more than 8192 bytes") }, "\(results)")
    }
    #expect(
      failures(rewards("echo 1; echo 1; echo 1"))
        == [String](repeating: "/bin/sh wrote more lines than the 2 it was asked for", count: 2))
    #expect(
      failures(rewards("echo hello; echo 1")) == ["/bin/sh wrote no reward but: hello", "1.0"])
    #expect(failures(rewards("echo 1")) == ["1.0", "/bin/sh wrote 1 lines of 2"])
    #expect(failures(rewards("echo NaN; echo 1e999")).allSatisfy { $0.contains("no reward") })
    // Standard error may be as long as it likes.
    #expect(rewards("yes | head -100000 >&2; echo 1; echo 1") == [.success(1), .success(1)])
  }

  @Test func aDeafProgramMayStillAnswer() {
    let long = String(repeating: "z", count: 1 << 20)
    #expect(
      rewards("exec 0<&-; echo 1; echo 1", completions: [long, long])
        == [.success(1), .success(1)])
  }

  @Test func aHungryProgramIsRefusedMemory() {
    // A shell's text of 64 MiB in a variable.
    let script = "x=$(head -c 67108864 /dev/zero | tr '\\0' a) || exit 1; echo 1; echo 1"
    #expect(rewards(script) == [.success(1), .success(1)])
    let limited = failures(rewards(script, memory: ByteCount(40 << 20)))
    #expect(limited.allSatisfy { $0.hasPrefix("/bin/sh: ") }, "\(limited)")
  }

  /// Up to its limit, in whole blocks of 512 bytes, and no further; pipes have none.
  @Test func aFileEndsAtItsLimit() throws {
    let folder = try ScratchFolder()
    let file = folder.file("large")
    let write = "exec head -c 3000 /dev/zero > \(file)"
    #expect(
      failures(rewards(write, file: ByteCount(2000)))
        == [String](
          repeating: "/bin/sh: was ended: it wrote a file beyond its limit", count: 2))
    #expect(try contents(of: file).count == 2048)
    #expect(
      rewards("head -c 3000 /dev/zero > \(file); echo 1; echo 1", file: ByteCount(3000))
        == [.success(1), .success(1)])
    #expect(try contents(of: file).count == 3000)
    #expect(
      rewards("head -c 99999 /dev/zero | cat >&2; echo 1; echo 1", file: ByteCount(512))
        == [.success(1), .success(1)])
  }

  @Test func aMissingProgramIsNamed() {
    let rule = CommandRule(command: ["./no-such-program"])
    let results = failures(rule.rewards(of: [TaskAnswer(prompt: prompt("1"), completion: "x")]))
    #expect(results.count == 1 && results[0].hasPrefix("./no-such-program: ended with status 127"))
    #expect(rule.rewards(of: []).isEmpty)
  }

  private func isAlive(_ process: Int32) -> Bool {
    // A process that has ended may wait for its parent; then its command line is empty.
    let line = try? contents(of: "/proc/\(process)/cmdline")
    return line?.isEmpty == false
  }
}
