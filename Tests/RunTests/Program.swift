import Foundation
import TestSupport
import Testing

/// The `sluice` program that the package builds beside the test bundle, started as people start it.
enum Program {
  static let path = Launch.program("sluice", beside: Bundle.module)

  /// Whether this build can train, and Open MPI's launcher is on the path.
  static let canTrain =
    Launch.hasMPI && (try? Launch.run([path, "train", "--help"]).status) == 0

  /// Runs `sluice` with arguments.
  static func sluice(
    _ arguments: String..., meanwhile: (Running) throws -> Void = { _ in }
  ) throws -> Outcome {
    try Launch.run([path] + arguments, meanwhile: meanwhile)
  }

  /// The numbers of the running processes whose command line has `text` as one of its words.
  static func processes(with text: String) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.sorted().filter { number in
      let line = (try? Data(contentsOf: URL(filePath: "/proc/\(number)/cmdline"))) ?? Data()
      return line.split(separator: 0).contains { String(decoding: $0, as: UTF8.self) == text }
    }
  }
}

/// A run of a tiny model in a folder of its own.
final class Scene {
  let folder: URL
  let run: String

  /// Writes the files of a run; `plan` holds the plan's degrees and schedule, in YAML's flow style.
  init(_ model: String, plan: String, steps: Int = 4, checkpointEvery: Int = 2) throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let fixture = Bundle.module.bundleURL.appending(path: "Fixtures/\(model).json")
    let text = try String(contentsOf: fixture, encoding: .utf8)
    // A token for each byte.
    let bytes = text.replacing(/"vocab_size": *97/, with: "\"vocab_size\": 256")
    try bytes.write(
      to: folder.appending(path: "config.json"), atomically: true, encoding: .utf8)
    let words = (0..<400).map { "the \($0 * $0 % 89)th word of \($0 % 7) " }.joined()
    try words.write(to: folder.appending(path: "words.txt"), atomically: true, encoding: .utf8)
    run = folder.appending(path: "run.yaml").path
    try """
    model: config.json
    data: words.txt
    plan: {\(plan), global-batch: 8, sequence-length: 16, zero-stage: 1}
    learning-rate: 0.01
    steps: \(steps)
    seed: 3
    checkpoints: {folder: \(folder.path)/out, every: \(checkpointEvery), keep: 3}
    log: {file: \(folder.path)/log.jsonl}
    """.write(toFile: run, atomically: true, encoding: .utf8)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// A file's path in the folder.
  func path(_ name: String) -> String { folder.appending(path: name).path }

  /// The losses of the log, as they are printed: the same text is the same bits.
  func losses() throws -> [String] {
    let text = try String(contentsOfFile: path("log.jsonl"), encoding: .utf8)
    return text.split(separator: "\n").compactMap { line in
      guard let key = line.firstRange(of: "\"loss\": ") else { return nil }
      return String(line.suffix(from: key.upperBound).prefix { $0 != "," })
    }
  }

  /// How many steps the log has behind its header: a look at a log that grows, which costs next to nothing.
  func steps() -> Int {
    let log = FileManager.default.contents(atPath: path("log.jsonl")).map([UInt8].init) ?? []
    return max(0, log.count { $0 == UInt8(ascii: "\n") } - 1)
  }

  /// What a run has left: the bytes of its log and the names of all files and folders.
  struct Written: Equatable {
    var log: Data
    var names: [String]
  }

  func written() throws -> Written {
    Written(
      log: try Data(contentsOf: folder.appending(path: "log.jsonl")),
      names: try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted())
  }

  /// The checkpoints that are there.
  func checkpoints() -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path("out"))) ?? []
    return names.filter { $0.hasPrefix("step-") }.sorted()
  }

  /// Whether a checkpoint is being written.
  var hasGrowingCheckpoint: Bool {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path("out"))) ?? []
    return names.contains { $0.hasPrefix(".step-") }
  }

  /// Waits until a checkpoint is there.
  func waitForCheckpoint() throws { try #require(Launch.wait { !checkpoints().isEmpty }) }

  /// The newest checkpoint is whole: a run goes on from it.
  func expectGoodCheckpoint(
    ranks: Int = 2, _ more: [String] = [], _ location: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try Launch.run(
      [Program.path, "train", run, "--ranks", "\(ranks)", "--resume", "--stop-after", "1"] + more)
    #expect(outcome.status == 0, "\(outcome.output)", sourceLocation: location)
  }

  /// The ranks, which have the run file among their arguments and are no launchers.
  func ranks() -> [Int32] { processes().subtracting(launchers()).sorted() }

  /// What starts the ranks: mpirun and, where it started that, sluice, in this order.
  func launchers() -> [Int32] {
    let own = processes()
    let mpirun = own.intersection(Program.processes(with: "mpirun"))
    // mpirun comes with the arguments of the ranks, and not with sluice's own.
    let sluice = own.intersection(Program.processes(with: "--ranks")).subtracting(mpirun)
    return mpirun.sorted() + sluice.sorted()
  }

  /// All processes of the run; `timeout`, which the tests put in front, has the same words.
  private func processes() -> Set<Int32> {
    Set(Program.processes(with: run)).subtracting(Program.processes(with: "timeout"))
  }

  /// Changes bytes of a file.
  func write(_ bytes: [UInt8], at offset: UInt64, of name: String) throws {
    let file = try FileHandle(forUpdating: URL(filePath: path(name)))
    try file.seek(toOffset: offset)
    try file.write(contentsOf: bytes)
    try file.close()
  }
}
