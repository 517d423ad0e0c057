package proxy

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"
)

// frame is one frame of RFC 6455 section 5.2.
type frame struct {
	first byte // FIN, RSV1 to RSV3 and the opcode
	mask  bool
	data  []byte
}

// append appends the frame with the shortest length that fits.
func (f frame) append(dst []byte) []byte {
	dst = append(dst, f.first)
	masked := byte(0)
	if f.mask {
		masked = 0x80
	}
	switch n := len(f.data); {
	case n < 126:
		dst = append(dst, masked|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, masked|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, masked|127), uint64(n))
	}
	if !f.mask {
		return append(dst, f.data...)
	}
	key := [4]byte{0xde, 0xad, 0x00, 0xff}
	dst = append(dst, key[:]...)
	for i, b := range f.data {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// conversation is what one side of a WebSocket may say: each length class, data
// in fragments with control frames in between, compressed frames (RFC 7692),
// frames of extensions that nobody here knows, and each kind of close.
func conversation(mask bool) []byte {
	const fin, rsv1, rsv3 = 0x80, 0x40, 0x10
	const more, text, binaryData, close, ping, pong = 0, 1, 2, 8, 9, 10
	body := func(n int) []byte { return bytes.Repeat([]byte{0, '\r', '\n', 0xff, 'G'}, n/5+1)[:n] }
	var b []byte
	add := func(first byte, data []byte) { b = frame{first, mask, data}.append(b) }
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 2 << 20} {
		add(fin|text, body(n))
		add(fin|binaryData, body(n))
	}
	add(text, body(10))
	add(fin|ping, body(125))
	add(more, body(70_000))
	add(fin|pong, nil)
	add(more, nil)
	add(fin|more, body(1))
	add(fin|rsv1|text, body(300))
	add(fin|rsv3|7, body(3))
	// What could pass for a request, or for the end of a head.
	add(fin|text, []byte("\r\n\r\nGET /admin HTTP/1.1\r\nHost: inside\r\n\r\n"))
	for _, code := range []uint16{1000, 1001, 1011, 1015, 3000, 4999, 5001} {
		add(fin|close, append(binary.BigEndian.AppendUint16(nil, code), "why: \xe2\x82\xac"...))
	}
	add(fin|close, nil)
	return b
}

// Both sides speak at once; each hears every byte of the other.
func TestWebSocket_FramesOfEveryKindPassBothWays(t *testing.T) {
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	up, down := conversation(true), conversation(false)
	heard := make(chan []byte, 1)
	w := newWorld(t, nil, newUpstream(t, func(c *upConn) {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		if c.head() == "" {
			return
		}
		// The first frames come with the head.
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			c.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey([]byte(key)) + "\r\n\r\n" + string(down))
		}()
		got := make([]byte, len(up))
		n, _ := io.ReadFull(c.br, got)
		heard <- got[:n]
		<-sent
	}))
	c := w.dial()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	c.send("GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n\r\n")
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(up)
		sent <- err
	}()
	resp, _ := c.answer("GET")
	if resp.StatusCode != 101 {
		t.Fatalf("got %s", resp.Status)
	}
	got := make([]byte, len(down))
	if n, err := io.ReadFull(c.br, got); err != nil || !bytes.Equal(got, down) {
		t.Errorf("the client heard %d of %d bytes, or others: %v", n, len(down), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if got := <-heard; !bytes.Equal(got, up) {
		t.Errorf("the endpoint heard %d of %d bytes, or others", len(got), len(up))
	}
}
