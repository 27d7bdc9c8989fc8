#if MPI
  import Documents
  import Foundation
  import Plans
  import Programs
  import Reports
  import Simulation
  import Training

  /// What a run will do and need, before its first step: placement, and memory as simulated.
  struct RunOutline {
    var text: String

    /// Looks at a run whose parts were checked.
    init(_ prepared: PreparedRun) throws {
      let placed = prepared.placed
      text = prepared.notices.map { "note: \(printable($0, atMost: .max))\n" }.joined()
      text += PlanReport(placed, cluster: "CPU ranks", devices: placed.plan.worldSize).text
      if let policy = prepared.run.policy {
        text += "\n" + Self.text(of: policy, prepared.run)
      }
      let tokens = placed.plan.tokensPerMicrobatch
      let chosen = placed.architecture.feedForwards.compactMap { $0.mixture?.expertsPerToken }.max()
      let input = try StepInput(
        placed, rows: (received: tokens, routed: tokens * (chosen ?? 1), sent: tokens),
        target: .cpuRank, objective: prepared.run.setting(atStep: 0).objective)
      let result = StepSimulation(input, pricing: NoTime()).run()
      var table = TextTable([.left])
      table.add(["memory of a rank", "MiB"] + Buffer.Use.allCases.map { "\($0)" })
      var whole = 0
      for rank in result.ranks {
        let parts = Buffer.Use.allCases.map { mebibytes(rank.memory.peakParts[Int($0.rawValue)]) }
        table.add(["position \(rank.position)", mebibytes(rank.memory.peak)] + parts)
        whole += rank.memory.peak * placed.plan.worldSize / result.ranks.count
      }
      text += "\n" + table.text()
      let machine =
        Self.availableMemory.map { "; this machine has \(mebibytes($0)) MiB free" } ?? ""
      text += "\n  \(mebibytes(whole)) MiB on all ranks together\(machine)\n"
    }

    /// Bytes that the system could give without swapping.
    private static var availableMemory: Int? {
      let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
      let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
      return line.flatMap { $0.split(separator: " ").dropFirst().first }
        .flatMap { Int($0) }.map { $0 * 1024 }
    }
  }

  /// A world in which nothing takes time: what is left are counts, bytes and order.
  struct NoTime: Pricing {
    func seconds(of operation: Programs.Operation, rows: ExchangeRows, isOverlapped: Bool) -> Double
    { 0 }
    func price(ofExchange transfer: Transfer, rows: ExchangeRows, isOverlapped: Bool)
      -> ExchangePrice
    { ExchangePrice(preparation: 0, payload: 0) }
    func seconds(ofCollective transfer: Transfer, stage: Int) -> Double { 0 }
    func price(ofMessage bytes: Int, from: Int, to: Int, replica: Int) -> MessagePrice {
      MessagePrice(latency: 0, moving: 0, usesAdapter: false)
    }
    func secondsOfAgreement() -> Double { 0 }
  }
#endif
