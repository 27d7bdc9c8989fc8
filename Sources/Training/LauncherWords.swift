/// Tells mpirun's own words on standard error from those of its ranks, which people should read first.
///
/// mpirun puts what it has to say between two lines of dashes, or behind its name or `[host:process]`.
/// Some of it comes before a rank's last line, some behind it.
package struct LauncherWords {
  /// What mpirun has said so far.
  package private(set) var held: [UInt8] = []
  /// A line whose end has not come yet.
  private var rest: [UInt8] = []
  private var isFramed = false

  package init() {}

  /// Takes in what was written, and gives the lines that ranks wrote.
  package mutating func take(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    rest += bytes
    var passed: [UInt8] = []
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      let line = rest[...end]
      if !isOfLauncher(line.dropLast()) {
        passed += line
      } else if !isOfNoConcern(line) {
        held += line
      }
      rest.removeSubrange(...end)
    }
    return passed
  }

  /// The line that never ended.
  package mutating func takeRest() -> [UInt8] {
    defer { rest = [] }
    return rest
  }

  private mutating func isOfLauncher(_ line: ArraySlice<UInt8>) -> Bool {
    let dash = UInt8(ascii: "-")
    if line.count >= 40, line.allSatisfy({ $0 == dash }) {
      isFramed.toggle()
      return true
    }
    // A rank's message is one line with this beginning, wherever it comes.
    if line.starts(with: "sluice: ".utf8) { return false }
    return isFramed || line.starts(with: "mpirun".utf8) || hasProcess(line)
  }

  /// Whether mpirun warns of what it goes on to ignore, since nothing has failed.
  ///
  /// Open MPI 4.1 puts whatever starts ranks on a host into a process group of its own, from both sides; where
  /// the child was faster, the parent's `setpgid` finds another program there (EACCES).
  private func isOfNoConcern(_ line: ArraySlice<UInt8>) -> Bool {
    let text = String(decoding: line, as: UTF8.self)
    return text.contains("plm:rsh: Warning: setpgid(") && text.contains("failed in parent")
  }

  /// Whether the line begins with `[host:4711]`.
  private func hasProcess(_ line: ArraySlice<UInt8>) -> Bool {
    guard line.first == UInt8(ascii: "["), let end = line.firstIndex(of: UInt8(ascii: "]")),
      let colon = line[..<end].lastIndex(of: UInt8(ascii: ":"))
    else { return false }
    let digits = line[line.index(after: colon)..<end]
    return !digits.isEmpty && digits.allSatisfy { (0x30...0x39).contains($0) }
  }
}
