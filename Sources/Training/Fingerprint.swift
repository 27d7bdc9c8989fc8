import Foundation

/// What the ranks of a run must have in common before they begin.
///
/// Another program or another kind of processor gives other bits, another run file another run.
public struct Fingerprint: Hashable, Sendable {
  /// The run file with its overrides.
  public var runFile: UInt64
  /// The program.
  public var program: UInt64
  /// The kind of processor: its model and what it can do.
  public var processor: UInt64

  /// The parts as numbers that ranks can exchange; always three.
  public var words: [UInt64] { [runFile, program, processor] }

  /// The fingerprint that `words` came from.
  public init(words: [UInt64]) {
    precondition(words.count == 3)
    (runFile, program, processor) = (words[0], words[1], words[2])
  }

  /// The fingerprint of this process with a run.
  ///
  /// - Parameter runFile: `RunFile.checksum`.
  /// - Throws: `CheckpointError` if the program's own file cannot be read.
  public init(runFile: UInt64) throws(CheckpointError) {
    self.runFile = runFile
    var sum = Checksum()
    let program = "/proc/self/exe"
    let file = try InputFile(
      path: FileManager.default.fileExists(atPath: program) ? program : CommandLine.arguments[0])
    var position = 0
    while position < file.count {
      let count = min(file.count - position, 1 << 22)
      sum.add(try file.bytes(at: position, count: count))
      position += count
    }
    self.program = sum.value
    var kind = Checksum()
    kind.add(Array(Self.processorKind.utf8))
    processor = kind.value
  }

  /// The processor's name and features, as the operating system lists them.
  static var processorKind: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    var lines: [String] = []
    for line in text.split(separator: "\n") {
      // One processor's block says it all.
      if line.isEmpty || (line.hasPrefix("processor") && !lines.isEmpty) { break }
      if ["model name", "flags", "Features", "CPU part"].contains(where: line.hasPrefix) {
        lines.append(String(line))
      }
    }
    return lines.joined(separator: "\n")
  }

  /// The first difference between rank 0 and another rank, in words; nil if all agree.
  public static func disagreement(among ranks: [Fingerprint]) -> String? {
    guard let first = ranks.first else { return nil }
    for (rank, other) in ranks.enumerated() where other != first {
      let what =
        other.runFile != first.runFile
        ? "run file or overrides"
        : other.program != first.program ? "program" : "kind of processor"
      return "rank \(rank) has another \(what) than rank 0"
    }
    return nil
  }
}
