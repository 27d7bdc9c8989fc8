import Testing

import Schedules

/// What PyTorch's own CSV files may hold beside actions.
@Suite struct PyTorchCSVTests {
  private static let plain = "0F0,0F1,0B0,0B1\n1F0,1B0,1F1,1B1\n"

  @Test func commentsQuotesAndCellsOfShardingArePassedOver() throws {
    let text = """
      # rank, by rank
      0UNSHARD,"0F0",0F1, "0B0" ,0B1,0REDUCE_GRAD,0RESHARD # the first

      "1UNSHARD",1F0,1B0,"1F1",1B1,1RESHARD
      """
    let schedule = try Schedule(csv: text)
    #expect(schedule == (try Schedule(csv: Self.plain)))
    #expect(Schedule.shardingCells(inCSV: text) == 5)
    #expect(Schedule.shardingCells(inCSV: Self.plain) == 0)
    try schedule.validate()
  }

  @Test func faultsKeepTheirPlaces() {
    for (text, place) in [
      ("0UNSHARD,0F0,0X0\n", "line 1, cell 3"), ("# a\n0F0,\"0B0\n", "line 2, cell 2"),
      ("0F0,UNSHARDED\n", "line 1, cell 2"), ("0RESHARD\n", "no actions"),
    ] {
      let error = #expect(throws: ScheduleError.self) { try Schedule(csv: text) }
      #expect(error?.message.contains(place) == true, "\(text): \(error?.message ?? "")")
    }
  }
}
