import ArgumentParser
import Documents
import Foundation
import Reports
import Simulation

/// The step as execution traces for network simulators.
struct ChakraOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Write the step as execution traces of MLCommons Chakra into a new folder: a file for each rank that \
      was simulated, and the groups of ranks.
      """, valueName: "folder"), completion: .directory)
  var exportChakra: String?

  @Flag(help: "Write a trace of every rank of the world, as ASTRA-sim wants them.")
  var chakraAllRanks = false

  var isGiven: Bool { exportChakra != nil }

  /// Refuses what has no effect, and a folder in which there is something, before anything is computed.
  func check() throws {
    guard let folder = exportChakra else {
      if chakraAllRanks {
        throw CommandError("--chakra-all-ranks has no effect without --export-chakra")
      }
      return
    }
    guard FileManager.default.fileExists(atPath: folder) else { return }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw ConfigurationError(file: folder, rule: "cannot be written: it is not a folder")
    }
    if let first = names.min() {
      throw ConfigurationError(
        file: folder,
        rule: "cannot be written: \(first) is in it; give a folder that is new or empty")
    }
  }

  /// Writes the traces of a step that was simulated with its spans.
  ///
  /// - Parameter limit: bytes of all files; nil for what traces have otherwise.
  func write(
    _ result: StepResult, of step: PlannedStep, besides inputs: [String], limit: Int?
  ) throws {
    guard let folder = exportChakra else { return }
    let trace = ChakraTrace(result, of: step, allRanks: chakraAllRanks)
    do throws(CheckpointError) {
      _ = try makeFolder(folder)
    } catch {
      throw ConfigurationError(file: folder, rule: error.rule, status: .storage)
    }
    let places = try trace.names.map { name throws(ConfigurationError) in
      try OutputPath("\(folder)/\(name)", besides: inputs)
    }
    let isTerminal = isatty(2) == 1
    let summary = try trace.write(to: places, limit: limit ?? StepTrace.usualLimit) { done, all in
      if isTerminal { note("\rtraces: \(done * 100 / max(1, all)) %") }
    }
    if isTerminal { note("\r") }
    let traffic = summary.bytes.map { "\($0.kind) \($0.bytes) bytes in \($0.nodes)" }
    note(
      "\(folder): \(summary.files) traces of \(summary.nodes) nodes; "
        + (traffic.isEmpty ? "nothing is sent" : traffic.joined(separator: ", ")) + "\n")
  }
}
