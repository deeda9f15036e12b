package server

// answerWord answers a four-letter word and leaves the closing to the caller.
func (c *connection) answerWord() {
	c.nc.Write([]byte("imok"))
}
