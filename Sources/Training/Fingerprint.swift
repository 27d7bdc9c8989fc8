import Documents
import Foundation
import Kernels

/// What the ranks of a run compare before they begin.
///
/// Another program or other kernels of matrix products give other bits, another run file another run.
public struct Fingerprint: Hashable, Sendable {
  /// The run file with its overrides.
  public var runFile: UInt64
  /// The program.
  public var program: UInt64
  /// The kernels of matrix products that the processor was given (`matmulIdentity`); sluice's own need
  /// the same features everywhere.
  public var products: UInt64

  /// The parts as numbers that ranks can exchange; always three.
  public var words: [UInt64] { [runFile, program, products] }

  /// The fingerprint that `words` came from.
  public init(words: [UInt64]) {
    precondition(words.count == 3)
    (runFile, program, products) = (words[0], words[1], words[2])
  }

  /// The fingerprint of this process with a run.
  ///
  /// - Parameter runFile: `RunFile.checksum`.
  /// - Throws: `CheckpointError` if the program's own file cannot be read.
  public init(runFile: UInt64) throws(CheckpointError) {
    self.runFile = runFile
    program = try Self.ownProgram.get()
    var kernels = Checksum()
    kernels.add(Array(matmulIdentity().utf8))
    products = kernels.value
  }

  /// The sum of this process's program, read once, however many ranks are its threads.
  private static let ownProgram = Result { () throws(CheckpointError) -> UInt64 in
    let program = "/proc/self/exe"
    let file = try InputFile(
      path: FileManager.default.fileExists(atPath: program) ? program : CommandLine.arguments[0])
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { piece.deallocate() }
    var sum = WordSum()
    var position = 0
    while position < file.count {
      let part = UnsafeMutableRawBufferPointer(
        rebasing: piece[..<min(file.count - position, piece.count)])
      try file.read(into: part, at: position)
      sum.add(UnsafeRawBufferPointer(part))
      position += part.count
    }
    return sum.value
  }

  /// What to say where ranks multiply by different kernels; nil where all have the same.
  ///
  /// Such ranks can train together, but what a rank computes then depends on where it lies.
  public static func warning(among ranks: [Fingerprint]) -> String? {
    guard let first = ranks.first,
      let other = ranks.firstIndex(where: { $0.products != first.products })
    else { return nil }
    return
      "rank \(other) has other kernels of matrix products than rank 0, so bits depend on which rank "
      + "computes what and are not promised; OPENBLAS_CORETYPE=\(commonCore) on all hosts pins them"
  }

  /// Kernels that every processor has which sluice runs on.
  private static let commonCore = "Haswell"

  /// The first difference between rank 0 and another rank that ends a run, in words; nil if all agree.
  public static func disagreement(among ranks: [Fingerprint]) -> String? {
    guard let first = ranks.first else { return nil }
    for (rank, other) in ranks.enumerated() {
      guard other.runFile != first.runFile || other.program != first.program else { continue }
      let what = other.runFile != first.runFile ? "run file or overrides" : "program"
      return "rank \(rank) has another \(what) than rank 0"
    }
    return nil
  }
}
