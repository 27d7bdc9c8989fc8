import Calibration
import Clusters
import Costs
import Documents
import TestSupport
import Testing

/// The outputs of benchmarks, each with what breaks a naive reader.
///
/// Texts are our own wording of what the tools print
/// (NVIDIA/nccl-tests 2.19.6, ROCm/rccl-tests ae3e635, linux-rdma/perftest, OSU 3.1 to 7.5, deepseek-ai/DeepEP dd758ca,
/// stas00/ml-engineering 744d01e); numbers are invented.
@Suite struct BenchmarkFileTests {
  static func read(
    _ text: String, _ change: (inout MeasurementFacts) -> Void = { _ in }
  ) throws -> (format: BenchmarkFormat, measurements: Measurements) {
    var facts = MeasurementFacts()
    change(&facts)
    return try BenchmarkFormat.read(text: text, file: "log.txt", facts)
  }

  static func rule(
    _ text: String, _ change: (inout MeasurementFacts) -> Void = { _ in }
  ) -> String {
    let error = #expect(throws: ConfigurationError.self) { _ = try read(text, change) }
    return error.map(\.description) ?? ""
  }

  // MARK: nccl-tests and rccl-tests

  static let head = """
    #       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong
    #        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  (GB/s)
    """
  static let rows = """
         1048576        262144     float     sum      -1   100.00   10.49   10.49       0    99.00   10.59   10.59       0
         2097152        524288     float     sum      -1   150.00   13.98   13.98       0   149.00   14.07   14.07     N/A
       134217728      33554432     float     sum      -1  3355.40   40.00   40.00       0  3350.00   40.06   40.06     N/A
    # Avg bus bandwidth    : 21.5317

    """
  static let whole =
    """
    # nccl-tests version 2.18.2 nccl-headers=23007 nccl-library=23007
    # Collective test starting: all_reduce_perf
    # nThread 1 nGpus 1 minBytes 1048576 maxBytes 134217728 step: 2(factor) warmup iters: 1
    #  Rank  0 Group  0 Pid  11111 on   node-a device  0 [0x0f] NVIDIA H800
    #  Rank  1 Group  0 Pid  22222 on   node-b device  0 [0x0f] NVIDIA H800

    """ + head + "\n" + rows

  @Test func ncclTests() throws {
    let (format, found) = try Self.read(Self.whole)
    #expect(format == .ncclTests && found.collectives.count == 3)
    let last = try #require(found.collectives.last)
    #expect(last.kind == .allReduce && last.ranks == 2 && last.nodes == 2)
    // The time out of place counts, and no printed rate.
    #expect(last.bytes == 134_217_728 && abs(last.seconds - 3355.4e-6) < 1e-12)
    #expect(last.place == MeasuredPlace(file: "log.txt", line: 10))
  }

  /// A log under mpirun without head: all-reduces over 16 ranks alone have such rates.
  ///
  /// Times lose their decimals, sizes have eleven digits.
  @Test func ncclTestsCutAndTagged() throws {
    let text = """
      [1,0]<stdout>:           8             2     float     sum      -1    87.96    0.00    0.00      0    78.05    0.00    0.00      0
      [1,0]<stdout>:     1048576        262144     float     sum      -1    105.9    9.90   18.56      0    105.7    9.92   18.60      0
      [1,0]<stdout>: 10737418240    2684354560     float     sum      -1    90330  118.87  222.88      0    91945  116.78  218.96    N/A

      """
    let (format, found) = try Self.read(text)
    #expect(format == .ncclTests)
    #expect(found.collectives.map(\.ranks) == [16, 16, 16])
    #expect(found.collectives.allSatisfy { $0.kind == .allReduce && $0.nodes == nil })
    #expect(found.collectives.last.map { abs($0.seconds - 0.09033) < 1e-9 } == true)
    #expect(
      Self.rule(text) { $0.ranks = 8 }.contains("which all-reduce over 8 ranks does not give"))
  }

  /// Columns that the head names behind the rates may lack in rows: nothing is looked for there.
  @Test func ncclTestsWithShortRows() throws {
    let text = """
      # size count type time algbw busbw #wrong redop root
      1048576 262144 float 100.0 10.49 18.35 0
      2097152 524288 float 200.0 10.49 18.35 0

      """
    let found = try Self.read(text) { ($0.ranks, $0.nodes) = (8, 1) }.measurements
    #expect(found.collectives.map(\.bytes) == [1_048_576, 2_097_152])
    #expect(found.collectives.allSatisfy { $0.kind == .allReduce && $0.ranks == 8 })
  }

  /// Spreadsheets begin UTF-8 with a mark, and Windows ends lines with two characters.
  @Test func marksAndLineEndsOfWindows() throws {
    let rows = "m,n,k,dtype,time_us\r\n4096,4096,4096,bf16,200\r\n"
    let plain = try Self.read(rows).measurements.products
    #expect(try Self.read("\u{FEFF}" + rows).measurements.products == plain)
    #expect(plain.count == 1 && plain.first?.place.line == 2)
  }

  /// A figure that is all but nothing is said, and does not keep the message for ever.
  @Test(.timeLimit(.minutes(1))) func ratesOfNothing() {
    // 1e-300 is a number on every thread; below 2.2e-308 it hangs on the thread whether it is zero.
    let rule = Self.rule("m,n,k,dtype,time_us,tflops\n64,64,64,bf16,1,1e-300\n")
    #expect(rule.contains("the units contradict each other"))
    let subnormal = Self.rule("m,n,k,dtype,time_us,tflops\n64,64,64,bf16,1,1e-310\n")
    #expect(subnormal.contains("log.txt:2") && subnormal.contains("expected tflops above 0"))
  }

  @Test func rcclTests() throws {
    let text = """
      # nThread 1 nGpus 8 minBytes 8 maxBytes 16777216 step: 2(factor)
      rccl-tests: Version develop:448c4c7
      # Using devices
      #   Rank  0 Pid  14972 on       host1 device  0 [0000:05:00.0] AMD Instinct MI300X
      #   Rank  1 Pid  14972 on       host1 device  1 [0000:15:00.0] AMD Instinct MI300X
      $ ./all_gather_perf -b 8 -e 16M
      #       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
      16777216       2097152     float    none      -1    160.0  104.86   52.43      0    160.0  104.86   52.43      0

      """
    let found = try Self.read(text).measurements.collectives
    #expect(found.map(\.kind) == [.allGather] && found.map(\.ranks) == [2] && found[0].nodes == 1)
  }

  /// Several tests in one log; later columns of newer versions; a wrong result; collectives that nobody models.
  @Test func ncclTestsSeveralTables() throws {
    let text = """
      # Collective test starting: alltoall_perf
      #   Rank  0 Group  0 Pid 1 on a device  0 [0x0f] H
      #   Rank  1 Group  0 Pid 1 on a device  1 [0x0f] H
      #  size count type redop root time algbw busbw #wrong min max p99 cv time algbw busbw #wrong min max p99 cv
      1048576 262144 float none -1 50.00 20.97 10.49 N/A 40 60 55 0.1 50.00 20.97 10.49 N/A 40 60 55 0.1
      2097152 524288 float none -1 90.00 23.30 11.65 3 40 60 55 0.1 50.00 20.97 10.49 N/A 40 60 55 0.1
      # Collective test starting: broadcast_perf
      #   Rank  0 Group  0 Pid 1 on a device  0 [0x0f] H
      #   Rank  1 Group  0 Pid 1 on a device  1 [0x0f] H
      1048576 262144 float none 0 50.00 20.97 20.97 N/A 40 60 55 0.1 50.00 20.97 20.97 N/A 40 60 55 0.1

      """
    let found = try Self.read(text).measurements
    #expect(found.collectives.map(\.kind) == [.allToAll])
    #expect(found.remarks.contains { $0.contains("its result was wrong") })
    #expect(found.remarks.contains { $0.contains("broadcast_perf left out") })
  }

  @Test func ncclTestsFaults() {
    let nameless = Self.head + "\n" + Self.rows
    // Two ranks have the same rates in all-reduces and messages.
    #expect(Self.rule(nameless).contains("--collective all-reduce"))
    #expect(Self.rule(nameless) { $0.collective = .send }.contains("--ranks N"))
    #expect(Self.rule(Self.whole) { $0.ranks = 4 }.contains("has 2 ranks, and --ranks says 4"))
    #expect(Self.rule(Self.whole) { $0.nodes = 1 }.contains("on 2 hosts, and --nodes says 1"))
    let units = Self.whole.replacing("3355.40   40.00", with: "3.35540   40.00")
    #expect(Self.rule(units).contains("log.txt:10"))
    #expect(Self.rule(units).contains("the units contradict each other"))
    #expect(Self.rule(Self.head + "\n").contains("no row of a collective"))
  }

  /// What is said of files that do not say it does not touch those that do; a contradiction is one where no file asks.
  @Test func optionsAreOfFilesThatAsk() throws {
    var facts = MeasurementFacts()
    (facts.ranks, facts.nodes) = (8, 1)
    let folder = try ScratchFolder()
    let osu =
      "# OSU MPI-CUDA Allreduce Latency Test v7.4\n# Size Avg Latency(us)\n"
      + (10...24).map { "\(1 << $0) \(30 + Double(1 << $0) / 250e3)\n" }.joined()
    let calibrator = Calibrator(
      base: try Cluster.shipped("h100-2048"), named: "h100-2048", facts: facts)
    func run(_ files: [String]) throws -> Calibrator.Outcome {
      try calibrator.run(files, name: "mine", file: "mine.yaml", isWritten: true)
    }
    let whole = try folder.write(Self.whole.replacing("H800", with: "H100"), to: "nccl.txt")
    let mixed = try run([whole, try folder.write(osu, to: "osu.txt")])
    #expect(mixed.parts.flatMap(\.points).contains { $0.series.contains("8 ranks") })
    let error = #expect(throws: ConfigurationError.self) { try run([whole]) }
    #expect(error?.description.contains("has 2 ranks, and --ranks says 8") == true)
  }

  /// Heads, counts and types that no version prints.
  @Test(arguments: [
    ("(us)  (GB/s)", "(ms)  (GB/s)", "expected the units of nccl-tests"),
    ("(us)  (GB/s)", "(us)  (GiB/s)", "expected the units of nccl-tests"),
    ("262144     float", "17     float", "size and count contradict each other"),
    ("262144     float", "262144     quux", "expected a type of nccl-tests"),
    ("1048576        262144", "10485761048576104857610485 262144", "expected a size in bytes"),
  ])
  func columnsOfNCCLTests(own: String, other: String, rule: String) {
    #expect(Self.rule(Self.whole.replacing(own, with: other)).contains(rule))
  }

  /// Sums without a root whose bus rates are below the algorithm's are reduce-scatters.
  @Test func aCutLogOfReduceScatters() throws {
    let rows = [20, 22, 24, 26].map { exponent -> String in
      let bytes = 1 << exponent
      let time = 30 + Double(bytes) / 250e3
      let rate = Double(bytes) / time / 1e3
      return "\(bytes) \(bytes / 4) float sum -1 \(time) \(rate) \(rate * 7 / 8) 0 \(time) \(rate) "
        + "\(rate * 7 / 8) 0\n"
    }
    let found = try Self.read(Self.head + "\n" + rows.joined()).measurements
    #expect(found.collectives.allSatisfy { $0.kind == .reduceScatter && $0.ranks == 8 })
    #expect(found.collectives.count == 4)
  }

  // MARK: perftest

  static func perftest(_ unit: String, _ rows: String) -> String {
    """
    ---------------------------------------------------------------------------------------
                        RDMA_Write BW Test
     Dual-port       : OFF\t\tDevice         : mlx5_0
     Link type       : Ethernet
     #bytes     #iterations    BW peak[\(unit)]    BW average[\(unit)]   MsgRate[Mpps]
    \(rows)
    """
  }

  /// Units stand in the head only: 10^9 bits, or 2^20 bytes.
  ///
  /// Peaks are 0.00 in runs of a duration.
  @Test(arguments: [
    (
      "Gb/sec", " 65536      5000             0.00               388.77               0.741520\n",
      388.77e9 / 8
    ),
    (
      "MB/sec", " 65536      5000             11030.78           11030.45\t\t     0.176487\n",
      11_030.45 * 1_048_576
    ),
    (
      "MiB/sec", " 65536      5000             11030.78           11030.45\t\t     0.176487\n",
      11_030.45 * 1_048_576
    ),
  ])
  func perftestUnits(unit: String, row: String, rate: Double) throws {
    let (format, found) = try Self.read(Self.perftest(unit, row))
    let message = try #require(found.messages.first)
    #expect(format == .perftest && message.quantity == .bandwidth && message.way == .adapter)
    #expect(abs(message.value / rate - 1) < 1e-12)
  }

  @Test func perftestFaults() throws {
    // The server prints the banner alone.
    #expect(Self.rule(Self.perftest("Gb/sec", "")).contains("no rows"))
    let contradicting = Self.perftest(
      "MB/sec", " 65536      5000       388.77       388.77       0.741520\n")
    #expect(Self.rule(contradicting).contains("the units contradict each other"))
    let both = Self.perftest("Gb/sec", " 65536      5000       700.0       700.0       1.335144\n")
      .replacing("RDMA_Write BW Test", with: "RDMA_Write Bidirectional BW Test")
    #expect(abs(try Self.read(both).measurements.messages[0].value - 350e9 / 8) < 1)
  }

  @Test func perftestLatency() throws {
    let text = """
                          RDMA_Write Latency Test
       #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec]
       2       1000          1.78           4.90         1.82     \t       1.83        \t0.05   \t\t1.95    \t\t4.90

      """
    #expect(try Self.read(text).measurements.messages.map(\.value) == [1.82e-6])
    let short = """
                          RDMA_Write Latency Test
       #bytes        #iterations       t_avg[usec]    tps average
       2             1000              1.90           263157.89

      """
    #expect(abs(try Self.read(short).measurements.messages[0].value - 1.9e-6) < 1e-12)
  }

  // MARK: OSU

  @Test func osuLatency() throws {
    let text = """

      # OSU MPI-CUDA Latency Test v7.5
      # Datatype: MPI_CHAR.
      # Size       Avg Latency(us)
      1                       1.73
      1048576               126.00

      """
    let found = try Self.read(text) { $0.isInsideNode = false }
    #expect(found.format == .osu && found.measurements.messages.map(\.value) == [1.73e-6, 126e-6])
    #expect(found.measurements.messages.allSatisfy { $0.way == .betweenNodes })
    #expect(Self.rule(text).contains("--between devices"))
  }

  @Test func osuRates() throws {
    let text = """
      # OSU MPI Bi-Directional Bandwidth Test v5.6.2
      # Size      Bandwidth (MB/s)
      1048576              8400.00

      """
    let found = try Self.read(text) { $0.isInsideNode = true }.measurements
    #expect(found.messages.map(\.value) == [4.2e9])
    #expect(
      Self.rule(text.replacing("(MB/s)", with: "(us)")) { $0.isInsideNode = true }
        .contains("expected MB/s"))
  }

  /// `-f` adds columns; sizes of gathers are those of one rank; the number of ranks is asked for.
  @Test func osuCollectives() throws {
    let text = """
      # OSU MPI Allgather Latency Test v7.0
      # Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations
      1024                  8.58              8.50              8.70        1000

      """
    let found = try Self.read(text) {
      $0.ranks = 4
      $0.nodes = 2
    }.measurements.collectives
    #expect(found.map(\.bytes) == [4096] && found.map(\.kind) == [.allGather])
    #expect(Self.rule(text).contains("--ranks N"))
    #expect(Self.rule(text) { $0.ranks = 4 }.contains("--nodes N"))
    #expect(Self.rule(text.replacing("Allgather", with: "Barrier")).contains("no such operation"))
  }

  // MARK: DeepEP

  /// The spellings of one line over the versions, a V2 line, and lines without a time.
  @Test(arguments: [
    ": 2371 us, 44.16 GB/s (RDMA), 90.05 GB/s (NVL)",
    ", transmit: 2371.00 us, notify: 31.65 us, BW: 44.16 GB/s (RDMA), 90.05 GB/s (NVL)",
    ": 31 + 2371 us, 44.16 GB/s (RDMA), 90.05 GB/s (NVL)", ": 44.16 GB/s (RDMA), 90.05 GB/s (NVL)",
  ])
  func deepEPBetweenNodes(line: String) throws {
    let shape = ExpertRouting.deepEPBenchmark(nodes: 4).reach(ranks: 32, ranksPerNode: 8)
    // The time that the rates imply, so that the line contradicts nothing.
    let bytes = 4096 * shape.ranks * 7168 * (1 + 4.0 / 128)
    let text =
      "[config] num_tokens=4096, hidden=7168, num_topk_groups=4, num_topk=8\n"
      + "[tuning] SMs 24, NVL chunk 4, RDMA chunk 4: 9 us, 38.20 GB/s (RDMA), 77.90 GB/s (NVL)\n"
      + "[tuning] Best dispatch (FP8): SMs 24, NVL chunk 20, RDMA chunk 16"
      + line.replacing("2371", with: "\(Int((bytes / 90.05e9 * 1e6).rounded()))") + "\n"
    let found = try Self.read(text) {
      $0.ranks = 32
      $0.nodes = 4
    }
    let exchange = try #require(found.measurements.exchanges.first)
    #expect(found.format == .deepEP && found.measurements.exchanges.count == 1)
    #expect(exchange.multiprocessors == 24 && exchange.linkRate == 90.05e9)
    #expect(exchange.networkRate == 44.16e9 && exchange.shape.direction == .dispatch)
    #expect(abs(exchange.seconds * 90.05e9 / bytes - 1) < 1e-9)
    #expect(Self.rule(text).contains("--ranks N"))
    #expect(Self.rule(text) { $0.ranks = 32 }.contains("--nodes N"))
  }

  @Test func deepEPInsideNode() throws {
    let text = """
      [config] num_tokens=4096, hidden=7168, num_topk=8
      [tuning] SMs 24, NVL chunk default: 120.60 GB/s (NVL), 1321.28 us
      [tuning] Best dispatch (FP8): SMs 24, NVL chunk 30, 153.43 GB/s (NVL), t: 1041.49 us
      [tuning] Best combine: SMs 24, NVL chunk 8: 158.20 GB/s (NVL), t: 1934.33 us

      """
    let found = try Self.read(text) { $0.ranks = 8 }.measurements.exchanges
    #expect(found.map(\.shape.direction) == [.dispatch, .combine])
    #expect(found.map(\.networkRate) == [nil, nil])
    #expect(Self.rule(text) { $0.ranks = 4 }.contains("is --ranks right?"))
  }

  @Test func deepEPLowLatency() throws {
    let text = """
      [rank 0] Dispatch + combine bandwidth: 41.20 GB/s, avg_t=536.10 us, min_t=530.22 us, max_t=548.90 us

      """
    let found = try Self.read(text).measurements
    #expect(found.exchanges.isEmpty && found.remarks.contains { $0.contains("low latency") })
  }

  @Test func deepEPSecondVersion() throws {
    let reach = ExpertRouting.deepEPBenchmark(nodes: 1).reach(ranks: 8, ranksPerNode: 8)
    let time = 4096 * reach.ranks * 7168 * 2 / 300e9 * 1e6
    let text = """
      Config:
       > Ranks: 1 x 8
       > Tokens: 4096 (max: 4096), hidden: 7168
       > #SM: 24, #QPs: 9/9
         * EP:   0/8 | dispatch: 0 GB/s (SO), 300 GB/s (SU), \(time) us, 1 bytes | copy: 900 GB/s, 9.1 us
         # EP:   0/8 | cached dispatch: 0 GB/s (SO), 310 GB/s (SU), 1.0 us, 1 bytes | copy: 900 GB/s, 9.1 us
         @ EP:   0/8 | combine: 0 GB/s (SO), 280 GB/s (SU), \(time * 300 / 280) us, 1 bytes | reduce: 900 GB/s, 9.1 us

      """
    let found = try Self.read(text).measurements.exchanges
    #expect(found.map(\.linkRate) == [300e9, 280e9] && found.map(\.multiprocessors) == [24, 24])
  }
}
