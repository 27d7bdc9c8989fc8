import Documents
import Foundation
import Quantities

/// The rewards of a program that people wrote.
///
/// It gets all completions of a call at once, a JSON table a line, and gives back a line for each, in
/// their order: a number, or `{"reward": NUMBER}`. What it has not given when its time is over counts as
/// a failure; so does every line of a program that gives more lines than it was asked for.
public struct CommandRule: RewardRule {
  /// The program, looked for on the PATH where it has no slash, and its arguments.
  private let command: [String]
  /// Seconds for one call.
  private let timeLimit: Double
  private let memoryLimit: ByteCount
  private let fileLimit: ByteCount
  /// Where the program is named and what is wrong with it; nil where it can be started.
  let missing: ConfigurationError?
  /// Whether nobody waits for rewards any more: the program is ended then.
  var isStopped: @Sendable () -> Bool = { false }

  /// - Parameter missing: what a run with this rule is refused with, since the program is not there.
  /// - Precondition: `command` names a program.
  public init(
    command: [String], timeLimit: Double = 10, memoryLimit: ByteCount = ByteCount(2 << 30),
    fileLimit: ByteCount = ByteCount(1 << 30), missing: ConfigurationError? = nil
  ) {
    precondition(!command.isEmpty && timeLimit > 0)
    (self.command, self.timeLimit) = (command, timeLimit)
    (self.memoryLimit, self.fileLimit) = (memoryLimit, fileLimit)
    self.missing = missing
  }

  /// What the program may take, for people to read.
  public var limits: String {
    let seconds = String(format: "%.6g", timeLimit)
    return "\(seconds) s, \(memoryLimit) of memory, files of \(fileLimit)"
  }

  /// What is wrong with a program's name on this machine, as far as files tell; nil where it can be started.
  static func missing(_ name: String) -> String? {
    guard name.contains("/") else {
      let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":")
      let isThere = folders.contains { Self.isProgram("\($0)/\(name)") }
      return isThere ? nil : "\(printable(name)) is no program on the PATH"
    }
    if Self.isProgram(name) { return nil }
    let isThere = access(name, F_OK) == 0
    return "\(printable(name)) is \(isThere ? "no program that may be run" : "not there")"
  }

  private static func isProgram(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      && access(path, X_OK) == 0
  }

  public func reward(of completion: String, to prompt: TaskPrompt) throws -> Double {
    try rewards(of: [TaskAnswer(prompt: prompt, completion: completion)])[0].get()
  }

  public func rewards(of answers: [TaskAnswer]) -> [Result<Double, RewardFailure>] {
    judgement(of: answers).rewards
  }

  public func judgement(
    of answers: [TaskAnswer]
  ) -> (rewards: [Result<Double, RewardFailure>], remark: RewardFailure?) {
    guard !answers.isEmpty else { return ([], nil) }
    let outcome: LimitedProcess.Outcome
    do {
      outcome = try LimitedProcess(
        command: command, timeLimit: timeLimit, memoryLimit: memoryLimit, fileLimit: fileLimit,
        outputLimit: answers.count * Self.longestLine, isStopped: isStopped
      ).run(input: Array(answers.map { Self.line($0) + "\n" }.joined().utf8))
    } catch {
      return (answers.map { _ in .failure(RewardFailure("\(error)")) }, nil)
    }
    let program = printable(command[0])
    let ending = outcome.ending.map { "\(program): \($0)" }
    var lines = outcome.output.split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    // What stands behind the last newline is empty, or a line cut short.
    let rest = lines.popLast() ?? []
    if ending == nil, !rest.isEmpty { lines.append(rest) }
    guard lines.count <= answers.count else {
      let failure = RewardFailure(
        ending ?? "\(program) wrote more lines than the \(answers.count) it was asked for",
        kind: "lines")
      return (answers.map { _ in .failure(failure) }, nil)
    }
    let results = answers.indices.map { index -> Result<Double, RewardFailure> in
      guard index < lines.count else {
        return .failure(
          RewardFailure(
            ending ?? "\(program) wrote \(lines.count) lines of \(answers.count)",
            kind: ending == nil ? "lines" : "ending"))
      }
      return reward(in: Array(lines[index]))
    }
    let isWhole = lines.count == answers.count
    let remark = ending.map { ending in
      RewardFailure("all rewards count, and yet \(ending)", kind: "remark")
    }
    return (results, isWhole ? remark : nil)
  }

  /// Bytes of output for each completion.
  private static let longestLine = 4096

  /// The prompt with its fields, and the completion.
  private static func line(_ answer: TaskAnswer) -> String {
    let fields = (answer.prompt.fields.entries ?? []).filter { $0.key != "completion" }
    return JSONValue.table(
      [
        .init(key: "prompt", value: .string(answer.prompt.text)),
        .init(key: "completion", value: .string(answer.completion)),
      ] + fields
    ).compact
  }

  private func reward(in line: [UInt8]) -> Result<Double, RewardFailure> {
    let value = try? JSONValue(line)
    guard let reward = value?.double ?? value?["reward"]?.double else {
      let text = printable(String(decoding: line, as: UTF8.self), atMost: 60)
      return .failure(
        RewardFailure("\(printable(command[0])) wrote no reward but: \(text)", kind: "no reward"))
    }
    return .success(reward)
  }
}
