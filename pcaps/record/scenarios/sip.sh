# SIPp calls SIPp: calls with sound over UDP, calls over TCP, one that is refused; IPv4 and IPv6.
two_hosts
mkdir -p pcap
tcpdump -r /usr/share/sip-tester/g711a.pcap -c 40 -w pcap/g711a.pcap 2>/dev/null
cp /usr/share/sip-tester/dtmf_2833_1.pcap pcap/

answering() { # ADDRESS PORT TRANSPORT MEDIA-PORT
  in_background server sipp -sn uas -i "$1" -p "$2" -t "$3" -mi "$1" -mp "$4" -nostdin -m 3
}

calls() { # FROM PORT SCENARIO TRANSPORT ADDRESS:PORT
  expect '' on client sipp -sn "$3" -i "$1" -p "$2" -t "$4" -mi "$1" -mp 30000 -m 3 -r 2 -d 300 -nostdin -timeout 30 "$5"
}

capture server "$out/capture.pcap" -i eth0
for pair in '10.0.0.1 10.0.0.2' '2001:db8:0:1::1 2001:db8:0:1::2'; do
  # shellcheck disable=SC2086
  set -- $pair
  answering "$2" 5060 u1 40000
  listening server udp 5060
  calls "$1" 5060 uac_pcap u1 "$(url "$2"):5060"
  answering "$2" 5070 t1 40100
  listening server tcp 5070
  calls "$1" 5061 uac t1 "$(url "$2"):5070"
done
# Nobody is there.
expect_failure on client sipp -sn uac -i 10.0.0.1 -p 5062 -m 1 -nostdin -timeout 3 10.0.0.2:5080
captures_end
tshark -r "$out/capture.pcap" -Y rtp -d udp.port==40000,rtp 2>/dev/null | head -1 | grep -q . || die 'no sound was sent'
