import Documents
import Foundation
import Training

/// The files of a run in a folder of their own, and its processes.
struct FaultScene {
  let folder: URL
  let run: String
  /// `sluice`, which the package builds beside this program.
  let program: String

  init(_ options: FaultOptions) throws {
    program =
      URL(filePath: Launch.ownPath).deletingLastPathComponent().appending(path: "sluice").path
    guard access(program, X_OK) == 0 else {
      throw FaultError(description: "\(program) is not there: swift build --product sluice")
    }
    folder = FileManager.default.temporaryDirectory.appending(path: "faults-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let (width, layers, length) = options.isSmoke ? (32, 2, 16) : (256, 4, 128)
    try """
    {"model_type": "gpt2", "n_embd": \(width), "n_layer": \(layers), "n_head": 4,
     "vocab_size": 256, "n_positions": \(length), "activation_function": "gelu_new"}
    """.write(to: folder.appending(path: "config.json"), atomically: true, encoding: .utf8)
    let words = (0..<20_000).map { "the \($0 * $0 % 89)th word of \($0 % 7) " }.joined()
    try words.write(to: folder.appending(path: "words.txt"), atomically: true, encoding: .utf8)
    run = folder.appending(path: "run.yaml").path
    // Two, three and four ranks divide twelve.
    try """
    model: config.json
    data: words.txt
    plan: {data-parallel: \(options.ranks), global-batch: \(options.ranks * 3), zero-stage: 1,
           sequence-length: \(length)}
    learning-rate: 0.0003
    steps: 100000000
    seed: \(options.seed)
    checkpoints: {folder: \(folder.path)/out, every: \(options.every), keep: 2,
                  asynchronous: \(options.isAsynchronous)}
    log: {file: \(folder.path)/log.jsonl}
    """.write(toFile: run, atomically: true, encoding: .utf8)
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }

  /// The log's text; empty before there is one.
  func log(_ name: String = "log.jsonl") -> String {
    (try? String(contentsOf: folder.appending(path: name), encoding: .utf8)) ?? ""
  }

  /// The steps of a log.
  func steps(_ name: String = "log.jsonl") -> [FaultReport.Step] { FaultLog(log(name)).steps }

  /// The newest step of a log and its end in seconds since 1970; nil where there is none.
  ///
  /// Of the log's end alone, since this is asked often while ranks run.
  func newestStep(_ name: String = "log.jsonl") -> (number: Int, ended: Double)? {
    let path = folder.appending(path: name).path
    guard let file = FileHandle(forReadingAtPath: path), let end = try? file.seekToEnd() else {
      return nil
    }
    defer { try? file.close() }
    try? file.seek(toOffset: end - min(end, 1 << 14))
    let bytes = (try? file.readToEnd()) ?? Data()
    for line in bytes.split(separator: UInt8(ascii: "\n")).reversed() {
      guard let value = try? JSONValue(Array(line)), let number = value["step"]?.number,
        let ended = value["wall_time"]?.double
      else { continue }
      return (number, ended)
    }
    return nil
  }

  /// When the last file of a checkpoint was written, in seconds since 1970.
  func secondsOfCheckpoint(_ step: Int) throws -> Double {
    let path = checkpoint(step) + "/manifest.json"
    let date = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate]
    guard let date = date as? Date else { throw FaultError(description: "\(path) has no date") }
    return date.timeIntervalSince1970
  }

  /// What ranks find in their environment beside what is there.
  let environment = [
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
  ]

  /// Bytes of a checkpoint's weights and moments.
  func bytesOfCheckpoint(_ step: Int) throws -> Int {
    let folder = checkpoint(step)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return try names.filter { $0.hasSuffix(".safetensors") }.reduce(0) { sum, name in
      let size = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.size]
      return sum + ((size as? NSNumber)?.intValue ?? 0)
    }
  }

  private func checkpoint(_ step: Int) -> String {
    let digits = String(repeating: "0", count: 8 - String(step).count) + String(step)
    return folder.appending(path: "out/step-\(digits)").path
  }

  /// Starts `sluice train` with further arguments; its output is dropped.
  func start(_ arguments: [String]) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = ["train", run] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let output = folder.appending(path: "output.txt")
    try Data().write(to: output)
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = process.standardOutput
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// What a command of `sluice` prints.
  func output(of arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw FaultError(
        description: "sluice \(arguments[0]) ended with \(process.terminationStatus)")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What `sluice` has said.
  var output: String { log("output.txt") }

  /// The ranks that run now: sluice's processes with the run among their words that start no others.
  ///
  /// Read by system calls: this is asked often, and what Foundation reads of `/proc` it keeps.
  func ranks() -> [Int32] {
    guard let folder = opendir("/proc") else { return [] }
    defer { closedir(folder) }
    var ranks: [Int32] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard let number = Int32(name), let line = systemFile("/proc/\(name)/cmdline") else {
        continue
      }
      let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      if words.first == program, words.contains(run), !words.contains("--elastic") {
        ranks.append(number)
      }
    }
    return ranks.sorted()
  }

  /// Does something with this program's output going to a file.
  func withOutputAside<Value>(_ name: String, _ body: () throws -> Value) throws -> Value {
    let path = folder.appending(path: name).path
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw FaultError(description: "\(path) cannot be written") }
    let kept = [dup(1), dup(2)]
    dup2(file, 1)
    dup2(file, 2)
    close(file)
    defer {
      for (number, descriptor) in kept.enumerated() {
        dup2(descriptor, Int32(number + 1))
        close(descriptor)
      }
    }
    return try body()
  }
}
