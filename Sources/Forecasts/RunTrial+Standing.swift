/// What happens while steps stand still.
extension RunTrial {
  /// From the end of the job to its next step; what ends it meanwhile begins that anew.
  mutating func stop(_ reason: Stop) {
    // A node that is back now has no state yet.
    let holders = working
    broken.removeAll { $0 <= now }
    var need = Need(model.recovery)
    var failure: Interruption?
    switch reason {
    case .failure(let detection, let repair, let holders):
      if let repair { broken.append(now + detection + repair) } else { loseReplica() }
      need.holders = holders
      failure = Interruption(detection: detection, losesNode: repair != nil)
      // Those that are left begin a checkpoint anew that was not whole.
      if holders > 0, saving != nil { saving = model.checkpoints.stall }
    case .rollback: need.readStorage(model.recovery)
    case .planned, .takingBack:
      plannedStops += 1
      if case .takingBack = reason { lostReplicas = 0 }
      if handsOver {
        need.holders = holders
      } else {
        failure = save()
        if failure == nil { need.ending = model.recovery.ending }
      }
      need.requeues = failure != nil
    }
    repeat {
      putAsideSlowNodes()
      need.replicas = working
      if let again = failure {
        failure = spendUntilFailure(again.detection, \.detection)
      }
      if failure == nil {
        waitForNodes()
        need.replicas = working
        let spent = lost.restart
        failure = spendUntilFailure(need.seconds(model.recovery), \.restart)
        // Behind a failure the job begins anew, whatever it stood still for.
        if !need.requeues { plannedSeconds += lost.restart - spent }
        broken.removeAll { $0 <= now }
      }
      if let failure { failAgain(&need, failure) }
    } while (failure != nil || !hasNodes) && !isHopeless
    begin(afterStart: need.reads)
  }

  /// What is to come of the steps that follow.
  private mutating func begin(afterStart isStart: Bool) {
    if isStart { warmFrom = place + Double(model.recovery.warmUp.steps) }
    returnAt = .infinity
    guard lostReplicas > 0 else { return }
    let current = road.parts[part]
    let number = ((place - current.phaseFirst) / current.every).rounded(.down)
    let at = current.phaseFirst + (number + Double(model.recovery.takeBackAfter)) * current.every
    // In a phase that ends before, nobody stops for it.
    if at < current.phaseEnd { returnAt = at }
  }

  /// Leaves a replica out whose process has ended, until it is taken back.
  ///
  /// Its host is there. The fewest replicas that may go on are started again as they are.
  private mutating func loseReplica() {
    guard model.recovery.takeBackAfter > 0 else { return }
    if working > max(1, model.recovery.fewestReplicas) { lostReplicas += 1 }
  }

  /// Waits until the job has the nodes that it needs: nobody can hold it but nodes that come back.
  ///
  /// Rates are those of jobs that run. What stands still meanwhile does not fail, and exponential times do
  /// not remember.
  private mutating func waitForNodes() {
    while !hasNodes, let back = broken.min() {
      let seconds = max(0, back - now)
      spend(seconds, \.idle)
      clock.pause(seconds)
      broken.removeAll { $0 <= back }
    }
  }

  /// A failure before steps go on.
  private mutating func failAgain(_ need: inout Need, _ failure: Interruption) {
    loseHolders(&need, failure)
    need.ending = 0
    // The first one of a planned stop takes no more than a node.
    let isFurther = need.requeues
    need.requeues = true
    guard isFurther, need.reads, var copies = need.copies else { return }
    let isGone = losesCopy(&copies)
    need.copies = copies
    guard isGone else { return }
    goBack(to: newestStored(atOrBefore: place))
    need.readStorage(model.recovery)
  }

  /// A failure during a pause hits any replica; only those that keep their state can give it to others,
  /// and nodes that came in a lost one's place have none yet.
  private mutating func loseHolders(_ need: inout Need, _ failure: Interruption) {
    guard need.holders > 0 else { return }
    let share = Double(need.holders) / Double(max(1, need.replicas))
    guard share >= 1 || uniform() < share else { return }
    need.holders -= model.recovery.replicasLost(withNode: failure.losesNode)
    guard need.holders <= 0 else { return }
    need.holders = 0
    goBack(to: newestIsWrittenAt <= now ? newest : before)
  }

  /// Whether a planned stop is a pause: replicas keep their state, and nodes that leave give theirs away.
  private var handsOver: Bool {
    guard case .resume = model.recovery.elastic else { return false }
    let leaving = slow.count { $0.until <= now && $0.repair != nil }
    let missing = max(0, broken.count + leaving - model.recovery.spares)
    return missing * model.recovery.replicasOfNode < model.recovery.replicas
  }

  /// Puts nodes aside that were found to be slow.
  private mutating func putAsideSlowNodes() {
    for item in slow where item.until <= now {
      if let repair = item.repair { broken.append(now + repair) }
    }
    slow.removeAll { $0.until <= now }
  }

  /// Saves the state between two steps, before a stop that was wanted.
  ///
  /// - Returns: the failure that ended it; nil where none did.
  private mutating func save() -> Interruption? {
    // The one before is written first, and one at this very place is enough.
    let waiting = max(0, newestIsWrittenAt - now)
    let stall = saving ?? waiting + model.checkpoints.stall
    let seconds = newest == place && saving == nil ? waiting : stall + model.checkpoints.writing
    if let failure = spendUntilFailure(seconds, \.checkpoint) {
      goBack(to: newestIsWrittenAt <= now ? newest : before)
      return failure
    }
    saving = nil
    (newest, newestIsWrittenAt, before) = (place, now, place)
    return nil
  }

  /// Spends a time, or as much of it as passes until something ends what is under way.
  ///
  /// - Returns: the failure; nil where the time passed.
  private mutating func spendUntilFailure(
    _ seconds: Double, _ kind: WritableKeyPath<LostTime, Double>
  ) -> Interruption? {
    let end = now + max(0, seconds)
    while clock.next < end, !isHopeless {
      spend(clock.next - now, kind)
      guard let index = clock.take() else {
        failures += 1
        loseReplica()
        return Interruption(detection: model.givenDetection, losesNode: false)
      }
      let process = model.processes[index]
      switch process.effect {
      case .slow(let speed): slow.append((now + process.detection, speed, process.repair))
      // No state is computed on.
      case .corrupt: break
      case .stop:
        failures += 1
        if let repair = process.repair {
          broken.append(now + process.detection + repair)
        } else {
          loseReplica()
        }
        return Interruption(detection: process.detection, losesNode: process.repair != nil)
      }
    }
    spend(end - now, kind)
    return nil
  }

  /// Whether a further failure during a restart takes the last copy in memory of what the first one lost.
  private mutating func losesCopy(_ copies: inout Int) -> Bool {
    let share = Double(copies) / Double(max(1, model.recovery.otherNodes))
    guard uniform() < share else { return false }
    copies -= 1
    return copies == 0
  }

  /// Evenly from 0 to below 1.
  private mutating func uniform() -> Double { Double(chance.next() >> 11) * 0x1p-53 }
}
