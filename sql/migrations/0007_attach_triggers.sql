-- One trigger an event, because a transition table allows no more. The insert triggers carry the reference's names.

DROP TRIGGER IF EXISTS trigger_update_activity_on_order ON orders;
DROP TRIGGER IF EXISTS trigger_update_activity_on_booking ON service_bookings;
DROP TRIGGER IF EXISTS trigger_update_user_activity_summary ON user_sessions;

CREATE TRIGGER trigger_update_activity_on_order
    AFTER INSERT ON orders
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_order();
CREATE TRIGGER trigger_update_activity_on_order_update
    AFTER UPDATE ON orders
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_order();
CREATE TRIGGER trigger_update_activity_on_order_delete
    AFTER DELETE ON orders
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_order();
CREATE TRIGGER trigger_update_activity_on_order_truncate
    AFTER TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_order();

CREATE TRIGGER trigger_update_activity_on_booking
    AFTER INSERT ON service_bookings
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_booking();
CREATE TRIGGER trigger_update_activity_on_booking_update
    AFTER UPDATE ON service_bookings
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_booking();
CREATE TRIGGER trigger_update_activity_on_booking_delete
    AFTER DELETE ON service_bookings
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_booking();
CREATE TRIGGER trigger_update_activity_on_booking_truncate
    AFTER TRUNCATE ON service_bookings
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_booking();

CREATE TRIGGER trigger_update_activity_on_service_update
    AFTER UPDATE ON services
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_service();
CREATE TRIGGER trigger_update_activity_on_service_delete
    AFTER DELETE ON services
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_service();

CREATE TRIGGER trigger_update_activity_on_review
    AFTER INSERT ON reviews
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_review();
CREATE TRIGGER trigger_update_activity_on_review_update
    AFTER UPDATE ON reviews
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_review();
CREATE TRIGGER trigger_update_activity_on_review_delete
    AFTER DELETE ON reviews
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_review();
CREATE TRIGGER trigger_update_activity_on_review_truncate
    AFTER TRUNCATE ON reviews
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_review();

CREATE TRIGGER trigger_update_activity_on_user
    AFTER INSERT ON users
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_on_user();

CREATE TRIGGER trigger_update_user_activity_summary
    AFTER INSERT ON user_sessions
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_summary();
CREATE TRIGGER trigger_update_user_activity_summary_update
    AFTER UPDATE ON user_sessions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_summary();
CREATE TRIGGER trigger_update_user_activity_summary_delete
    AFTER DELETE ON user_sessions
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_summary();
CREATE TRIGGER trigger_update_user_activity_summary_truncate
    AFTER TRUNCATE ON user_sessions
    FOR EACH STATEMENT EXECUTE FUNCTION update_user_activity_summary();

-- What the shop already has is counted once, here, under the locks that the triggers above took.
SELECT metrics_rebuild_summaries();
