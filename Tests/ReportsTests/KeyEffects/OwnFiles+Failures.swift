import Clusters
import Documents
import Forecasts
import Runs
import TestSupport

extension OwnFiles {
  /// What fails, and what checkpoints are written to, with every key.
  static let failures = [
    """
    failures:
      causes:
        - {name: device, of: device, rate: 20, detection: 100 s, repair: 3 h, follow-up: 0.3, follow-up-within: 900 s}
        - {name: node, of: node, rate: 100, effect: slow, speed: 0.7, detection: 2 h}
        - {name: switch, of: switch, rate: 60, effect: stop}
        - {name: job, of: job, rate: 900, effect: corrupt, detection: 4 h}
      detection: 600 s
      repair: 6 h
      requeue: 500 s
      start: 50 s
      start-per-rank: 1 s
    storage: {write: 2 GB/s, read: 4 GB/s, total-write: 15 GB/s, total-read: 30 GB/s}
    """,
    """
    failures:
      at: [12345 s, 123456 s]
      detection: 600 s
      requeue: 500 s
      start: 50 s
      start-per-rank: 1 s
    storage: {write: 2 GB/s, read: 4 GB/s}
    """,
  ]

  /// A run whose plan is as wide as the cluster.
  static let run = """
    model: llama-3.1-8b
    data: {training: none.bin, type: uint32, tokenizer: bytes}
    plan: {sequence-length: 4096}
    steps: 50000
    learning-rate: 1e-4
    checkpoints: {folder: none, every: 50}
    """

  /// Runs of steps of ten seconds on all ranks, with checkpoints in every way that the cluster has.
  func forecast(
    on cluster: Document, _ change: String?
  ) throws -> TrialOutcome<[String: Double]> {
    do {
      let cluster = try Cluster(cluster, overrides: change.map { [$0] } ?? [])
      var figures: [String: Double] = [:]
      for way in ["blocking", "asynchronous", "memory"]
      where way == "blocking" || cluster.device.hostLink != nil {
        let phases = try RunFile.readPhases(
          path: scratch.file("run.yaml"),
          overrides: [
            "plan.data-parallel=\(cluster.rankCount)", "plan.global-batch=\(cluster.rankCount)",
            "recovery.checkpoints=\(way)",
          ])
        let run = try PlannedRun(phases, on: cluster, stepSeconds: 10)
        figures[way] = Forecast(run.model, runs: 40, seed: 1, threads: 1).wall.mean
      }
      return .figures(figures)
    } catch let error as ConfigurationError {
      return .refused(error.description)
    }
  }
}
