import Plans

extension PlannedInference {
  /// Keys of the plan without which steps take and hold the same: whatever they say, it is not of serving, or has
  /// nothing to act on.
  ///
  /// Found by leaving them out, one behind the other, as long as nothing changes; a key that says what would hold
  /// anyway is not among them.
  ///
  /// - Parameters:
  ///   - requests: the steps; those that are refused do not count.
  ///   - ignoresReserve: whether nobody asks how much of the memory is left.
  /// - Complexity: a step for each key that says something, twice and more often where some need others.
  public func idleKeys(
    in requests: [InferenceRequest], ignoresReserve: Bool = false
  ) -> [String] {
    guard let stated = try? StatedKeys(self.stated) else { return [] }
    func figures(_ planned: PlannedInference) -> [InferenceReport] {
      requests.compactMap { request in
        guard var report = try? planned.report(request) else { return nil }
        report.assumptions = []
        if ignoresReserve { report.memory.reserve = 0 }
        return report
      }
    }
    var (rest, filled, idle) = (stated, self.filled, Set<String>())
    let own = figures(self)
    var isChanged = true
    while isChanged {
      isChanged = false
      for key in rest.keys {
        guard let without = rest.without(key) else { continue }
        if without.plan.spelledOut == rest.plan.spelledOut {
          (rest, isChanged) = (without, true)
          continue
        }
        guard
          let other = try? PlannedInference(
            architecture: architecture, cluster: cluster, plan: without.plan),
          other.filled == filled || figures(other) == own
        else { continue }
        if other.filled != filled { idle.insert(key) }
        (rest, filled, isChanged) = (without, other.filled, true)
      }
    }
    return stated.keys.filter(idle.contains)
  }

  /// What a step takes, and which keys of the plan it would be the same without.
  ///
  /// - Throws: as `report`.
  public func explainedReport(_ request: InferenceRequest) throws -> InferenceReport {
    var report = try report(request)
    let idle = idleKeys(in: [request])
    if !idle.isEmpty { report.assumptions.append(Self.phrase(of: idle)) }
    if !idle.contains("communication-sms"), let phrase = saturation(request, report) {
      report.assumptions.append(phrase)
    }
    return report
  }

  /// That exchanges are no faster on as many multiprocessors as the plan gives them; nil where they are.
  private func saturation(_ request: InferenceRequest, _ report: InferenceReport) -> String? {
    guard let count = stated.communicationSMs, report.exchangeSeconds > 0 else { return nil }
    let fewest = leastCount(in: 1...max(1, count)) { fewer in
      var plan = stated
      plan.communicationSMs = fewer
      let other = try? PlannedInference(architecture: architecture, cluster: cluster, plan: plan)
      return (try? other?.report(request))?.exchangeSeconds == report.exchangeSeconds
    }
    guard fewest < count else { return nil }
    return PlannedStep.saturation(count, beyond: fewest)
  }

  /// `of the plan never act in this step: zero-stage, loss`.
  static func phrase(of idle: [String], _ whose: String = "the plan") -> String {
    "of \(whose) never act in this step: \(idle.joined(separator: ", "))"
  }
}

extension PlannedRollout {
  /// What a step takes, and which keys of the generator's plan it would be the same without: those that act neither
  /// in decoding nor in a prefill.
  ///
  /// - Throws: as `report`.
  public func explainedReport(_ description: RolloutDescription) throws -> RolloutReport {
    var report = try report(description)
    // Any rows that tensor ranks and two parts divide.
    let batch = 2 * generator.plan.tensorParallel
    let idle = generator.idleKeys(
      in: [
        InferenceRequest(.prefill(length: description.prompt), batch: batch),
        InferenceRequest(
          .decode(context: description.prompt + Int(description.lengths.mean)), batch: batch,
          acceptance: description.acceptance),
      ], ignoresReserve: true)
    if !idle.isEmpty {
      report.assumptions.append(PlannedInference.phrase(of: idle, "the generator's plan"))
    }
    return report
  }
}
