import Schedules
import Testing

/// Every schedule is, for all small sizes, either refused with a rule or sound in all three forms.
@Suite struct AdmissionTests {
  @Test(arguments: ScheduleName.allCases) func soundOrRefused(_ name: ScheduleName) throws {
    var admitted = 0
    for ranks in 1...8 {
      for stagesPerRank in 1...4 {
        for microbatches in 1...24 {
          guard
            let schedule = try schedule(
              name, ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
          else { continue }
          admitted += 1
          try schedule.validate()
          try schedule.lowered(.eager).validate()
          try schedule.lowered(.batched).validate()
          try schedule.lowered(.waited).validate(ends: .rendezvous)
        }
      }
    }
    #expect(admitted > 50)
  }

  private func schedule(
    _ name: ScheduleName, ranks: Int, stagesPerRank: Int, microbatches: Int
  ) throws -> Schedule? {
    do {
      return try name.schedule(
        ranks: ranks, stagesPerRank: stagesPerRank, microbatches: microbatches)
    } catch {
      #expect(error.message.count > 20)
      return nil
    }
  }
}
